"""The queue's decisions: which build is next, why one waits, what follows a loss. Data in, decision out.

Builds that are alike to the queue (same account, project, labels and group) stand in one *lane*, so a
decision looks at lanes, a few for each account, however many builds there are.

Between accounts shares decide: who has the fewest machines for its weight, then who has been served least
for its weight, then whose build is oldest. Priority orders an account's own builds. If it counted between
accounts, one could hold all others up by asking for everything at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from sealock.core.build import Outcome
from sealock.core.errors import UsageError
from sealock.core.naming import rule_of
from sealock.core.queue import (
    HIGHEST_PRIORITY,
    LABEL,
    LOWEST_PRIORITY,
    MOST_LABELS,
    Fence,
    Obstacle,
    Order,
    QueueState,
    Reason,
    Supersede,
)

STRIDE = 1 << 20
"""How far a claim carries an account of weight 1. One of weight 4 goes a quarter as far: it gets four times
as many."""

AWAY_AT_LEAST = 15.0
"""Seconds without a look at the queue that are still ordinary: three safety polls. A worker beats three times
in a lease, so an ordinary one has half of it left for a pause of the queue."""


@dataclass(frozen=True)
class Head:
    """The first build of a lane. place: counts up with each build that is queued."""

    build: str
    priority: int
    place: int


@dataclass(frozen=True)
class Lane:
    """head: None if nothing is queued in it. running: builds of it that workers have."""

    id: int
    account: str
    project: str
    needs: frozenset[str]
    group: str
    head: Head | None
    running: int


@dataclass(frozen=True)
class Share:
    """What an account may have. passed: how far it was carried by what it was served."""

    max_running: int
    weight: int
    passed: int


@dataclass(frozen=True)
class Host:
    """A worker, as the queue sees it. machines: builds at once. present: it was heard of lately, and takes
    new builds."""

    id: str
    labels: frozenset[str]
    machines: int
    running: int
    present: bool

    @property
    def free(self) -> bool:
        """It could take one more."""
        return self.running < self.machines


class View:
    """All that a decision needs: lanes that have a queued or a running build, and who they belong to.

    limits: of projects that have one. holders: which build has a project's group, as its people call it.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        shares: Mapping[str, Share],
        limits: Mapping[str, int],
        hosts: Sequence[Host],
        holders: Mapping[tuple[str, str], str],
    ) -> None:
        self.lanes = lanes
        self.shares = shares
        self.limits = limits
        self.hosts = [host for host in hosts if host.present]
        self.holders = holders
        self.of_account: dict[str, int] = {}
        self.of_project: dict[str, int] = {}
        for lane in lanes:
            self.of_account[lane.account] = self.of_account.get(lane.account, 0) + lane.running
            self.of_project[lane.project] = self.of_project.get(lane.project, 0) + lane.running

    def host(self, worker: str) -> Host | None:
        """That worker, if it is present."""
        return next((host for host in self.hosts if host.id == worker), None)


def next_build(view: View, worker: str) -> Head | None:
    """The build that this worker shall have; None if there is none for it, or it may have none."""
    host = view.host(worker)
    if host is None or not host.free:
        return None
    open_lanes = [lane for lane in view.lanes if lane.head and _may_run(view, lane, host)]
    if not open_lanes:
        return None
    account = _next_account(view, open_lanes)
    return _first(lane.head for lane in open_lanes if lane.account == account and lane.head)


def _may_run(view: View, lane: Lane, host: Host) -> bool:
    return lane.needs <= host.labels and not any(_limits(view, lane))


def _next_account(view: View, lanes: Sequence[Lane]) -> str:
    oldest: dict[str, int] = {}
    for lane in lanes:
        assert lane.head is not None
        oldest[lane.account] = min(lane.head.place, oldest.get(lane.account, lane.head.place))

    def turn(account: str) -> tuple[float, int, int]:
        share = view.shares[account]
        return view.of_account[account] / share.weight, share.passed, oldest[account]

    return min(oldest, key=turn)


def _first(heads: Iterable[Head]) -> Head:
    return min(heads, key=lambda head: (-head.priority, head.place))


def reasons(view: View, lane: Lane) -> tuple[Reason, ...]:
    """What a queued build of this lane waits for. Its turn, if nothing else."""
    found = [*_limits(view, lane), *_workers(view, lane)]
    return tuple(found) or (Reason(Obstacle.TURN, "its turn has not come yet"),)


def _limits(view: View, lane: Lane) -> Iterable[Reason]:
    running, most = view.of_account[lane.account], view.shares[lane.account].max_running
    if running >= most:
        yield Reason(Obstacle.ACCOUNT_FULL, f"account at {running} of {_machines(most)}")
    running, limit = view.of_project[lane.project], view.limits.get(lane.project)
    if limit is not None and running >= limit:
        yield Reason(Obstacle.PROJECT_FULL, f"project at {running} of {limit}")
    if lane.group and (holder := view.holders.get((lane.project, lane.group))):
        yield Reason(Obstacle.GROUP_BUSY, f"waits for the deployment of {holder}")


def _workers(view: View, lane: Lane) -> Iterable[Reason]:
    able = [host for host in view.hosts if lane.needs <= host.labels]
    if not able:
        yield Reason(Obstacle.NO_WORKER, _nobody(view, lane.needs))
    elif not any(host.free for host in able):
        running, most = sum(host.running for host in able), sum(host.machines for host in able)
        which = "all workers" if len(able) == len(view.hosts) else f"all workers with {_labels(lane.needs)}"
        yield Reason(Obstacle.WORKERS_BUSY, f"{which} are busy ({running} of {most})")


def _nobody(view: View, needs: frozenset[str]) -> str:
    if not view.hosts:
        return "no worker is there"
    # Where one label alone is the trouble, that is the one to tell.
    nobodys = needs - frozenset().union(*(host.labels for host in view.hosts))
    return f"no worker with {_labels(nobodys or needs)}"


def _labels(labels: frozenset[str]) -> str:
    return f"{'label' if len(labels) == 1 else 'labels'} {', '.join(sorted(labels))}"


def _machines(count: int) -> str:
    return f"{count} machine" if count == 1 else f"{count} machines"


def carried(share: Share) -> int:
    """Where an account stands after it was served once more."""
    return share.passed + STRIDE // share.weight


def on_return(passed: int, reached: int, waiting: Sequence[int]) -> int:
    """Where an account stands that queues a build when it had none. What it did not use is not saved up, and
    it is not behind anybody either. reached: where the one stood that was served last, before it was.
    waiting: of the accounts that have some."""
    return max(passed, min([reached, *waiting]))


@dataclass(frozen=True)
class Standing:
    """A build in the queue, as far as what follows depends on it. attempts: how many there may be."""

    build: str
    state: QueueState
    attempt: int = 0
    attempts: int = 2
    deploys: bool = False
    deploying: bool = False


@dataclass(frozen=True)
class Move:
    """Where a build goes, and why; `why` is for its people."""

    to: QueueState
    why: str


def after_failure(build: Standing, why: str, *, temporary: bool) -> Move:
    """What follows when a worker could not run it, or is not heard of any more."""
    if build.state is QueueState.STOPPING:
        return Move(QueueState.CANCELLED, why)
    if not temporary:
        return Move(QueueState.FAILED, why)
    if build.deploying:
        return Move(QueueState.FAILED, f"{why}; its deployment had begun, so it is not tried again")
    if build.attempt >= build.attempts:
        return Move(QueueState.FAILED, f"{why}, in the last of {build.attempts} attempts")
    return Move(QueueState.QUEUED, why)


def past_deadline(build: Standing) -> Move:
    """What follows when it stayed in its state for longer than `Patience` allows."""
    if build.state is QueueState.QUEUED:
        return Move(QueueState.CANCELLED, "it waited for too long")
    if build.state is QueueState.STOPPING:
        return Move(QueueState.CANCELLED, "its worker did not say that it stopped")
    return after_failure(build, "its worker was not heard of any more", temporary=True)


def after_end(state: QueueState, outcome: Outcome) -> QueueState:
    """Where a build goes that its worker has ended. One that ended by itself before it heard of the cancel
    is finished: what it did was done."""
    stopped = state is QueueState.STOPPING and outcome is Outcome.CANCELLED
    return QueueState.CANCELLED if stopped else QueueState.FINISHED


def on_cancel(state: QueueState) -> QueueState:
    """Where a build goes that somebody cancels."""
    if state is QueueState.QUEUED:
        return QueueState.CANCELLED
    return QueueState.STOPPING if state is QueueState.RUNNING else state


def superseded(order: Order, older: Sequence[Standing]) -> list[Standing]:
    """Which of these the new build replaces. older: builds of the same project and line."""
    states = {
        Supersede.NOTHING: frozenset[QueueState](),
        Supersede.QUEUED: frozenset({QueueState.QUEUED}),
        Supersede.RUNNING: frozenset({QueueState.QUEUED, QueueState.RUNNING}),
    }[order.supersede]
    replaceable = [each for each in older if each.state in states and not each.deploys]
    return replaceable if order.line else []


class ClockStory(Enum):
    """What the clock says about the time since somebody last looked at the queue."""

    STEADY = "steady"
    SET_BACK = "set back"
    AWAY = "away"  # nobody looked, so nobody could beat either; or it was set forward


def clock_story(now: float, seen_at: float, lease: float) -> ClockStory:
    """Times in seconds. Unless it is steady, a deadline is no evidence against a worker: each gets a new
    one, and is judged by that."""
    if now < seen_at:
        return ClockStory.SET_BACK
    return ClockStory.AWAY if now - seen_at > max(lease / 2, AWAY_AT_LEAST) else ClockStory.STEADY


def holds(fence: Fence, build: Standing, worker: str) -> bool:
    """Whether the fence is of the attempt that runs. worker: who has it."""
    return build.state.held and fence == Fence(build.build, build.attempt, worker)


def refuse_order(order: Order) -> None:
    """UsageError for an order that cannot be carried out by anybody."""
    strange = [label for label in sorted(order.needs) if not LABEL.fullmatch(label)]
    if strange or len(order.needs) > MOST_LABELS:
        raise UsageError(
            f"{strange[0][:70]!r} is no label" if strange else f"more than {MOST_LABELS} labels",
            resolution=rule_of(LABEL),
        )
    if not LOWEST_PRIORITY <= order.priority <= HIGHEST_PRIORITY:
        raise UsageError(
            f"{order.priority} is no priority",
            resolution=f"It is a whole number from {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}.",
        )
