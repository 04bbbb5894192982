"""The build queue: where each build stands in it, what a worker holds, and what may be asked of it.

    queued ──claim──▶ running ──finish──▶ finished
      │                │  │ └─fail, or the lease ran out──▶ queued (next attempt) or failed
      └──cancel──┐     │  └──cancel──▶ stopping ──▶ cancelled
                 ▼     ▼
              cancelled

A worker holds a build by a `Fence`: the build, the attempt and its own name. Attempts count up with each
claim, so a worker that lost its lease holds a fence of the past, and nothing it says is taken. No state
lasts for ever: `Patience` is how long, and `core.queue_rules` says what follows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sealock.core.build import Outcome

SAFETY_POLL = 5.0
"""Seconds after which whoever waits looks again, should a wake-up have been lost."""

LABEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
MOST_LABELS = 16
LOWEST_PRIORITY, HIGHEST_PRIORITY = -100, 100


class QueueState(StrEnum):
    """Where a build stands in the queue."""

    QUEUED = "queued"
    RUNNING = "running"
    STOPPING = "stopping"  # cancelled, and its worker has yet to say that the machine is gone
    FINISHED = "finished"  # its own commands decided, green or not
    FAILED = "failed"  # we could not run it
    CANCELLED = "cancelled"

    @property
    def held(self) -> bool:
        """A worker has it: it counts against every limit."""
        return self in (QueueState.RUNNING, QueueState.STOPPING)

    @property
    def over(self) -> bool:
        """It stays as it is."""
        return not MOVES[self]


MOVES: Mapping[QueueState, frozenset[QueueState]] = {
    QueueState.QUEUED: frozenset({QueueState.RUNNING, QueueState.CANCELLED}),
    QueueState.RUNNING: frozenset(
        {QueueState.QUEUED, QueueState.STOPPING, QueueState.FINISHED, QueueState.FAILED}
    ),
    QueueState.STOPPING: frozenset({QueueState.CANCELLED, QueueState.FINISHED}),
    QueueState.FINISHED: frozenset(),
    QueueState.FAILED: frozenset(),
    QueueState.CANCELLED: frozenset(),
}
"""From where to where. A build that ended by itself before its worker heard of the cancel is finished."""


@dataclass(frozen=True)
class Patience:
    """How long a build may stay in a state, in seconds. lease: without a beat. stopping: until its worker is
    given up, whether it beats or not. longest: for one attempt, however often it beats. away: for which a
    worker that reaches nobody goes on beyond the lease."""

    queued: float = 7 * 24 * 3600.0
    lease: float = 30.0
    stopping: float = 60.0
    longest: float = 24 * 3600.0
    away: float = 600.0

    def of(self, state: QueueState, *, deploys: bool = False) -> float | None:
        """Seconds until a build that enters this state is looked at; None if it may stay. Of what deploys
        there is one at a time, so it is waited for until its worker, should that reach nobody, has given it
        up by itself. Anything else may run twice, since only one end is taken."""
        alone = self.lease + self.away if deploys else 0.0
        return {
            QueueState.QUEUED: self.queued,
            QueueState.RUNNING: max(self.lease, alone),
            QueueState.STOPPING: max(self.stopping, alone),
        }.get(state)


ORDINARY = Patience()


class Supersede(StrEnum):
    """What a newer build of the same line does to the older ones. None of it touches deployments."""

    NOTHING = "nothing"
    QUEUED = "queued"  # those that have not begun are cancelled
    RUNNING = "running"  # those that have begun are stopped as well


@dataclass(frozen=True)
class Order:
    """A build to be queued.

    needs: labels its worker must have. group: of its project, one build at a time (deployments); `` for
    none. line: what newer commits come along, such as `branch:main` or `pull:12`; `` if nothing replaces
    it. priority: among builds of its account, higher first. delivery: what asked for it, taken once for
    each project; `` to take it always. deploys: it is never superseded. project_limit: builds of the
    project at once, from now on; None for no limit but the account's. attempts: how often it is tried
    where the fault is ours.
    """

    build: str
    account: str
    project: str
    needs: frozenset[str] = frozenset()
    group: str = ""
    line: str = ""
    priority: int = 0
    delivery: str = ""
    supersede: Supersede = Supersede.NOTHING
    deploys: bool = False
    project_limit: int | None = None
    attempts: int = 2


@dataclass(frozen=True)
class Enqueued:
    """build: the one in the queue for this delivery. new: False if that was there before, and the order was
    dropped. superseded: cancelled, or about to be, because of it."""

    build: str
    new: bool
    superseded: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fence:
    """What a worker shows with everything it says about a build."""

    build: str
    attempt: int
    worker: str


@dataclass(frozen=True)
class Claim:
    """A build that is the worker's now. lease: seconds without a beat until another may have it. away: for
    which the worker goes on beyond that where it reaches nobody who could say so."""

    fence: Fence
    account: str
    project: str
    lease: float
    away: float = 0.0

    @property
    def beat_every(self) -> float:
        """Seconds."""
        return self.lease / 3


class Beat(StrEnum):
    """What a worker hears when it beats."""

    OK = "ok"
    CANCEL = "cancel"  # destroy the machine, then finish it as cancelled
    LOST = "lost"  # destroy the machine; upload nothing, sign nothing


class Obstacle(StrEnum):
    """Kinds of reasons for which a build waits."""

    ACCOUNT_FULL = "account-full"
    PROJECT_FULL = "project-full"
    GROUP_BUSY = "group-busy"
    NO_WORKER = "no-worker"
    WORKERS_BUSY = "workers-busy"
    TURN = "turn"


@dataclass(frozen=True)
class Reason:
    """Why a build waits. sentence: for its people, without names of other accounts."""

    obstacle: Obstacle
    sentence: str


@dataclass(frozen=True)
class Waiting:
    """position: among the queued builds of its account, from 1, of so many. Between accounts there is no
    order of builds, only shares. reasons: never empty."""

    position: int
    of: int
    reasons: tuple[Reason, ...]


class QueueEventKind(StrEnum):
    """What happened to a build in the queue."""

    ENQUEUED = "enqueued"
    CLAIMED = "claimed"
    DEPLOYING = "deploying"
    CANCEL_ASKED = "cancel-asked"
    PUT_BACK = "put-back"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REFUSED = "refused"  # a worker spoke that no longer has it


@dataclass(frozen=True)
class QueueEvent:
    """attempt: 0 before the first. at: seconds since 1970, by the queue's clock. worker: `` if nobody had it.
    They are in order; their times need not be, since a clock may be set back."""

    build: str
    attempt: int
    at: float
    kind: QueueEventKind
    worker: str = ""
    reason: str = ""


class Queue(Protocol):
    """Builds in their order. Every call is one transaction, by the queue's own clock. TemporaryError if the
    queue cannot be reached; then it is not known whether it was done, and all may be called again."""

    async def enqueue(self, order: Order) -> Enqueued:
        """Put a build in, once for each delivery, and supersede older ones. UsageError for a build that is
        in the queue already, or labels and a priority that cannot be."""
        ...

    async def claim(self, worker: str) -> Claim | None:
        """The next build this worker may have, now its own; None if there is none, or the worker is unknown,
        draining, revoked, or has all the builds it may have at once. Expired leases are put back first."""
        ...

    async def beat(self, fence: Fence) -> Beat:
        """Say that the worker is at it, at least every `Claim.beat_every` seconds."""
        ...

    async def begin_deployment(self, fence: Fence) -> Beat:
        """As `beat`, before the first deployment step: from then on nobody tries the build again unasked.
        The step may run only on `ok`."""
        ...

    async def finish(self, fence: Fence, outcome: Outcome, reason: str = "") -> bool:
        """The build ended and its machine is gone. False: the worker no longer has it; it uploads and signs
        nothing. Saying the same again is True once more."""
        ...

    async def fail(self, fence: Fence, reason: str, *, temporary: bool) -> bool:
        """It could not be run, by no fault of its own. temporary: a second try may succeed; there is one,
        unless attempts are used up, its deployment had begun, or it is to be cancelled. False: the
        worker no longer has it, perhaps because it said so before."""
        ...

    async def cancel(self, build: str, reason: str) -> QueueState | None:
        """Cancel it: at once if nobody has it, else its worker is told. Where it stands now; None if it is
        not in the queue. What is over stays as it is."""
        ...

    async def drain(self, worker: str) -> int:
        """Give the worker nothing new. How many builds it still has."""
        ...

    async def put_back(self) -> int:
        """See to what is past its deadline. How many builds; called every `SAFETY_POLL` seconds."""
        ...

    async def why(self, build: str) -> Waiting | None:
        """Why it waits; None if it does not."""
        ...

    async def history(self, build: str) -> list[QueueEvent]:
        """What happened to it, in order."""
        ...


WORK = "work"
"""Topic: there may be something to claim."""


def stop_topic(worker: str) -> str:
    """Topic: one of this worker's builds is to be stopped; it beats at once to learn which."""
    return f"stop:{worker}"


class Subscription(Protocol):
    """What somebody who waits holds."""

    async def wait(self, seconds: float) -> bool:
        """Until something was told about its topics since the last `wait` returned, or since it was made;
        False if `seconds` passed first. Either way the reader looks for itself what there is."""
        ...


class Wakeups(Protocol):
    """Saves waiting, and is never needed: what is lost here is found by the next look."""

    async def tell(self, topic: str) -> None:
        """Wake whoever waits for the topic. Never fails because of the way."""
        ...

    def subscribe(self, *topics: str) -> AbstractAsyncContextManager[Subscription]:
        """Be woken by any of these topics while the block runs."""
        ...
