"""A queue in memory, by the same rules: for tests, and for trying things out. It forgets all at the end.

No call waits for anything in its middle but the wake-up at its end, so each is one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from sealock.core.build import Outcome
from sealock.core.errors import UsageError
from sealock.core.queue import (
    ORDINARY,
    WORK,
    Beat,
    Claim,
    Enqueued,
    Fence,
    Order,
    Patience,
    QueueEvent,
    QueueEventKind,
    QueueState,
    Reason,
    Waiting,
    Wakeups,
    stop_topic,
)
from sealock.core.queue_rules import (
    ClockStory,
    Head,
    Host,
    Lane,
    Share,
    Standing,
    View,
    after_end,
    after_failure,
    carried,
    clock_story,
    holds,
    next_build,
    on_cancel,
    on_return,
    past_deadline,
    reasons,
    refuse_order,
    superseded,
)
from sealock.core.worker_state import WorkerState


@dataclass
class _Entry:
    order: Order
    place: int
    standing: Standing
    deadline: float
    worker: str = ""
    stop_at: float = 0.0
    outcome: Outcome | None = None
    reason: str = ""

    @property
    def state(self) -> QueueState:
        return self.standing.state

    @property
    def lane(self) -> tuple[str, frozenset[str], str]:
        return self.order.project, self.order.needs, self.order.group

    @property
    def turn(self) -> tuple[int, int]:
        return -self.order.priority, self.place


class MemoryQueue:
    """A `core.queue.Queue`. shares: of every account. hosts: of every worker. clock: seconds."""

    def __init__(
        self,
        wakeups: Wakeups,
        patience: Patience = ORDINARY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.shares: dict[str, Share] = {}
        self.hosts: dict[str, Host] = {}
        self.states: dict[str, WorkerState] = {}
        self._wakeups = wakeups
        self._patience = patience
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._limits: dict[str, int] = {}
        self._events: list[QueueEvent] = []
        self._topics: set[str] = set()
        self._seen: float | None = None
        self._reached = 0

    async def enqueue(self, order: Order) -> Enqueued:
        refuse_order(order)
        for entry in self._entries.values():
            same = (entry.order.project, entry.order.delivery) == (order.project, order.delivery)
            if order.delivery and same:
                return Enqueued(entry.order.build, new=False)
        if order.build in self._entries:
            raise UsageError(f"the build {order.build} is in the queue already")
        replaced = self._supersede(order)
        self._return_of(order.account)
        self._limits.pop(order.project, None)
        if order.project_limit is not None:
            self._limits[order.project] = order.project_limit
        standing = Standing(order.build, QueueState.QUEUED, 0, order.attempts, order.deploys)
        deadline = self._clock() + self._patience.queued
        self._entries[order.build] = _Entry(order, len(self._entries) + 1, standing, deadline)
        self._note(self._entries[order.build], QueueEventKind.ENQUEUED)
        self._topics.add(WORK)
        await self._tell()
        return Enqueued(order.build, new=True, superseded=replaced)

    def _supersede(self, order: Order) -> tuple[str, ...]:
        older = [
            entry.standing
            for entry in self._entries.values()
            if (entry.order.project, entry.order.line) == (order.project, order.line)
        ]
        found = [self._entries[each.build] for each in superseded(order, older)]
        for entry in found:
            self._follow(entry, on_cancel(entry.state), "a newer commit replaced it")
        return tuple(entry.order.build for entry in found)

    def _return_of(self, account: str) -> None:
        waiting = {entry.order.account for entry in self._queued()}
        if account not in waiting:
            share = self.shares[account]
            passed = on_return(share.passed, self._reached, [self.shares[each].passed for each in waiting])
            self.shares[account] = replace(share, passed=passed)

    async def claim(self, worker: str) -> Claim | None:
        self._put_back()
        head = next_build(self._view(), worker)
        await self._tell()
        return self._start(self._entries[head.build], worker) if head else None

    def _start(self, entry: _Entry, worker: str) -> Claim:
        now, attempt = self._clock(), entry.standing.attempt + 1
        entry.standing = replace(entry.standing, state=QueueState.RUNNING, attempt=attempt, deploying=False)
        entry.worker = worker
        entry.deadline, entry.stop_at = self._due(entry, QueueState.RUNNING), now + self._patience.longest
        account = entry.order.account
        self._reached = self.shares[account].passed
        self.shares[account] = replace(self.shares[account], passed=carried(self.shares[account]))
        self._note(entry, QueueEventKind.CLAIMED)
        fence = Fence(entry.order.build, attempt, worker)
        return Claim(fence, account, entry.order.project, self._patience.lease, self._patience.away)

    async def beat(self, fence: Fence) -> Beat:
        entry = self._held(fence)
        if entry is None:
            return Beat.LOST
        if entry.state is QueueState.STOPPING:
            return Beat.CANCEL
        entry.deadline = min(self._due(entry, QueueState.RUNNING), entry.stop_at)
        return Beat.OK

    def _due(self, entry: _Entry, state: QueueState) -> float:
        return self._clock() + (self._patience.of(state, deploys=entry.order.deploys) or 0.0)

    async def begin_deployment(self, fence: Fence) -> Beat:
        answer = await self.beat(fence)
        if answer is Beat.OK:
            entry = self._entries[fence.build]
            entry.standing = replace(entry.standing, deploying=True)
            self._note(entry, QueueEventKind.DEPLOYING)
        return answer

    async def finish(self, fence: Fence, outcome: Outcome, reason: str = "") -> bool:
        entry = self._held(fence)
        if entry is None:
            return self._said_before(fence, outcome) or self._refuse(fence)
        self._end(entry, after_end(entry.state, outcome), outcome, reason)
        await self._tell()
        return True

    async def fail(self, fence: Fence, reason: str, *, temporary: bool) -> bool:
        entry = self._held(fence)
        if entry is None:
            return self._refuse(fence)
        move = after_failure(entry.standing, reason, temporary=temporary)
        self._follow(entry, move.to, move.why)
        await self._tell()
        return True

    async def cancel(self, build: str, reason: str) -> QueueState | None:
        entry = self._entries.get(build)
        if entry is None:
            return None
        to = on_cancel(entry.state)
        if to is not entry.state:
            self._follow(entry, to, reason)
        await self._tell()
        return to

    async def drain(self, worker: str) -> int:
        if self.states.get(worker) is WorkerState.ACTIVE:
            self.states[worker] = WorkerState.DRAINING
        return sum(entry.worker == worker and entry.state.held for entry in self._entries.values())

    async def put_back(self) -> int:
        late = self._put_back()
        await self._tell()
        return late

    async def why(self, build: str) -> Waiting | None:
        entry = self._entries.get(build)
        if entry is None or entry.state is not QueueState.QUEUED:
            return None
        mine = [each for each in self._queued() if each.order.account == entry.order.account]
        ahead = sum(each.turn < entry.turn for each in mine)
        return Waiting(ahead + 1, len(mine), self._reasons(entry))

    def _reasons(self, entry: _Entry) -> tuple[Reason, ...]:
        view = self._view()
        same = (entry.order.project, entry.order.needs, entry.order.group)
        return next(
            reasons(view, lane) for lane in view.lanes if (lane.project, lane.needs, lane.group) == same
        )

    async def history(self, build: str) -> list[QueueEvent]:
        return [event for event in self._events if event.build == build]

    def _queued(self) -> list[_Entry]:
        return [entry for entry in self._entries.values() if entry.state is QueueState.QUEUED]

    def _view(self) -> View:
        held = [entry for entry in self._entries.values() if entry.state.held]
        lanes: dict[object, Lane] = {}
        for entry in sorted([*held, *self._queued()], key=lambda each: each.turn):
            known = lanes.get(entry.lane) or Lane(
                entry.place, entry.order.account, *entry.lane, head=None, running=0
            )
            if entry.state.held:
                known = replace(known, running=known.running + 1)
            elif known.head is None:
                known = replace(known, head=Head(entry.order.build, entry.order.priority, entry.place))
            lanes[entry.lane] = known
        hosts = [
            replace(
                host,
                running=sum(entry.worker == host.id for entry in held),
                present=host.present and self.states[host.id] is WorkerState.ACTIVE,
            )
            for host in self.hosts.values()
        ]
        holders = {
            (entry.order.project, entry.order.group): f"#{entry.place}" for entry in held if entry.order.group
        }
        return View(list(lanes.values()), self.shares, self._limits, hosts, holders)

    def _held(self, fence: Fence) -> _Entry | None:
        entry = self._entries.get(fence.build)
        revoked = self.states.get(fence.worker) is WorkerState.REVOKED
        return entry if entry and not revoked and holds(fence, entry.standing, entry.worker) else None

    def _said_before(self, fence: Fence, outcome: Outcome) -> bool:
        entry = self._entries.get(fence.build)
        if entry is None or entry.state not in (QueueState.FINISHED, QueueState.CANCELLED):
            return False
        said = (entry.standing.attempt, entry.worker, entry.outcome)
        return said == (fence.attempt, fence.worker, outcome)

    def _refuse(self, fence: Fence) -> bool:
        known = {
            event.kind for event in self._events if Fence(event.build, event.attempt, event.worker) == fence
        }
        if QueueEventKind.CLAIMED in known and QueueEventKind.REFUSED not in known:
            kind, why = QueueEventKind.REFUSED, "it no longer has the build"
            at = self._clock()
            self._events.append(QueueEvent(fence.build, fence.attempt, at, kind, fence.worker, why))
        return False

    def _put_back(self) -> int:
        now = self._clock()
        story = clock_story(now, self._seen if self._seen is not None else now, self._patience.lease)
        self._seen = now
        if story is not ClockStory.STEADY:
            self._grant_anew(now, story)
        late = [each for each in self._entries.values() if not each.state.over and each.deadline <= now]
        for entry in late:
            if entry.state is QueueState.RUNNING and entry.stop_at <= now:
                self._follow(entry, QueueState.STOPPING, "it ran for longer than any build may")
            else:
                move = past_deadline(entry.standing)
                self._follow(entry, move.to, move.why)
        return len(late)

    def _grant_anew(self, now: float, story: ClockStory) -> None:
        for entry in self._entries.values():
            most = self._due(entry, entry.state)
            if entry.state.held:
                entry.deadline = most
                entry.stop_at = min(entry.stop_at, now + self._patience.longest)
            elif story is ClockStory.SET_BACK:
                entry.deadline = min(entry.deadline, most)

    def _follow(self, entry: _Entry, to: QueueState, why: str) -> None:
        if to.over:
            cancelled = to is QueueState.CANCELLED
            outcome = Outcome.CANCELLED if cancelled else Outcome.ERROR
            self._end(entry, to, outcome, (entry.reason if cancelled else "") or why)
            return
        stopping = to is QueueState.STOPPING
        kind = QueueEventKind.CANCEL_ASKED if stopping else QueueEventKind.PUT_BACK
        self._note(entry, kind, why)
        self._topics.add(stop_topic(entry.worker) if stopping else WORK)
        entry.standing = replace(entry.standing, state=to)
        entry.deadline = self._due(entry, to)
        entry.reason = why if stopping else entry.reason
        entry.worker = entry.worker if stopping else ""

    def _end(self, entry: _Entry, to: QueueState, outcome: Outcome, why: str) -> None:
        entry.standing = replace(entry.standing, state=to)
        entry.outcome, entry.reason = outcome, why
        self._note(entry, QueueEventKind(to.value), why)
        self._topics.add(WORK)

    def _note(self, entry: _Entry, kind: QueueEventKind, why: str = "") -> None:
        event = QueueEvent(entry.order.build, entry.standing.attempt, self._clock(), kind, entry.worker, why)
        self._events.append(event)

    async def _tell(self) -> None:
        topics, self._topics = self._topics, set()
        for topic in sorted(topics):
            await self._wakeups.tell(topic)
