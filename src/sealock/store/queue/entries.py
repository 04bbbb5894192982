"""Rows of `queue_builds`, and how they go from state to state.

Each move does all that belongs to it: the row, its lane's count, the build's own record, the event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, bindparam, insert, select, update

from sealock.core.build import Outcome
from sealock.core.build_state import BuildState
from sealock.core.builds import account_topic, build_topic
from sealock.core.queue import MOVES, WORK, Fence, QueueEventKind, QueueState, stop_topic
from sealock.core.queue_rules import Standing
from sealock.store.database.metadata import fitted
from sealock.store.database.tables import builds
from sealock.store.queue.change import Change
from sealock.store.queue.tables import queue_builds, queue_events, queue_lanes

LONGEST_REASON = 2000

COLUMNS = [
    queue_builds.c[name]
    for name in (
        *("place", "build", "account", "project", "lane", "state", "attempt", "attempts", "worker"),
        *("stop_at", "deploys", "deploying", "outcome", "reason"),
    )
]


@dataclass(frozen=True)
class Entry:
    """A build's row. Times: milliseconds since 1970."""

    place: int
    build: str
    account: str
    project: str
    lane: int
    state: QueueState
    attempt: int
    attempts: int
    worker: str | None
    stop_at: int | None
    deploys: bool
    deploying: bool
    outcome: str | None
    reason: str

    @property
    def standing(self) -> Standing:
        """What the rules need of it."""
        return Standing(
            self.build, self.state, self.attempt, self.attempts, bool(self.deploys), bool(self.deploying)
        )


def entries(change: Change, *conditions: ColumnElement[bool], most: int | None = None) -> list[Entry]:
    """The rows for which all conditions hold, in their order, and unchanged by others until the end of
    this transaction."""
    found = select(*COLUMNS).where(*conditions).order_by(queue_builds.c.place).limit(most).with_for_update()
    return [_entry(row._mapping) for row in change.connection.execute(found)]


def entry_of(change: Change, build: str) -> Entry | None:
    """The build's row."""
    return next(iter(entries(change, queue_builds.c.build == build)), None)


def _entry(row: Any) -> Entry:
    return Entry(**{**row, "state": QueueState(row["state"])})


_SET_ENTRY = update(queue_builds).where(queue_builds.c.place == bindparam("of"))
_SET_BUILD = update(builds).where(builds.c.id == bindparam("of"))
_COUNT = (
    update(queue_lanes)
    .where(queue_lanes.c.id == bindparam("of"))
    .values(queued=queue_lanes.c.queued + bindparam("more"))
)
_RECORD = insert(queue_events)


def start(change: Change, entry: Entry, worker: str) -> int:
    """Give it to the worker. The number of the attempt."""
    attempt = entry.attempt + 1
    _set(
        change,
        entry,
        QueueState.RUNNING,
        attempt=attempt,
        worker=worker,
        deploying=False,
        deadline=change.deadline(QueueState.RUNNING, deploys=entry.deploys),
        stop_at=change.after(change.patience.longest),
    )
    count(change, entry.lane, -1)
    _set_build(change, entry, state=BuildState.RUNNING, attempt=attempt, started_at=change.now)
    note(change, Fence(entry.build, attempt, worker), QueueEventKind.CLAIMED)
    _tell(change, entry)
    return attempt


def stop(change: Change, entry: Entry, why: str) -> None:
    """Have its worker stop it."""
    deadline = change.deadline(QueueState.STOPPING, deploys=entry.deploys)
    _set(change, entry, QueueState.STOPPING, deadline=deadline, reason=words(why))
    record(change, entry, QueueEventKind.CANCEL_ASKED, why)
    if entry.worker:
        change.topics.add(stop_topic(entry.worker))


def back(change: Change, entry: Entry, why: str) -> None:
    """Queue it again, where it stood."""
    deadline = change.after(change.patience.queued)
    _set(change, entry, QueueState.QUEUED, worker=None, deadline=deadline, stop_at=None)
    count(change, entry.lane, +1)
    _set_build(change, entry, state=BuildState.QUEUED)
    record(change, entry, QueueEventKind.PUT_BACK, why)
    change.topics.add(WORK)


def end(change: Change, entry: Entry, to: QueueState, outcome: Outcome, why: str) -> None:
    """It is over. Who had it is kept: it may ask again whether it was heard."""
    reason = words(why)
    _set(change, entry, to, deadline=None, stop_at=None, outcome=outcome, reason=reason)
    if entry.state is QueueState.QUEUED:
        count(change, entry.lane, -1)
    _set_build(change, entry, state=BuildState.ENDED, outcome=outcome, reason=reason, ended_at=change.now)
    record(change, entry, QueueEventKind(to.value), why)
    change.topics.add(WORK)


def follow(change: Change, entry: Entry, to: QueueState, why: str) -> None:
    """Go where a rule says."""
    if to is QueueState.QUEUED:
        back(change, entry, why)
    elif to is QueueState.STOPPING:
        stop(change, entry, why)
    else:
        # Who cancelled it, and why, was said when it was asked.
        cancelled = to is QueueState.CANCELLED
        outcome = Outcome.CANCELLED if cancelled else Outcome.ERROR
        end(change, entry, to, outcome, (entry.reason if cancelled else "") or why)


def _set(change: Change, entry: Entry, to: QueueState, **values: object) -> None:
    assert to in MOVES[entry.state], f"{entry.state} to {to}"
    change.connection.execute(_SET_ENTRY.values(state=to, **values), {"of": entry.place})


def _set_build(change: Change, entry: Entry, **values: object) -> None:
    change.connection.execute(_SET_BUILD.values(**values), {"of": entry.build})


def count(change: Change, lane: int, more: int) -> None:
    """Keep the lane's count of queued builds."""
    change.connection.execute(_COUNT, {"of": lane, "more": more})


def record(change: Change, entry: Entry, kind: QueueEventKind, why: str = "") -> None:
    """Note what happened to it."""
    note(change, Fence(entry.build, entry.attempt, entry.worker or ""), kind, why)
    _tell(change, entry)


def _tell(change: Change, entry: Entry) -> None:
    """Have those woken who look at the build, or at its account's list."""
    change.topics.update((build_topic(entry.build), account_topic(entry.account)))


def note(change: Change, fence: Fence, kind: QueueEventKind, why: str = "") -> None:
    """Note what happened, as somebody says who is not known to have it."""
    values = {"build": fence.build, "attempt": fence.attempt, "worker": fence.worker}
    told = {"at": change.now, "kind": kind, "reason": words(why)}
    change.connection.execute(_RECORD, values | told)


def words(reason: str) -> str:
    """A reason as the database can keep it; somebody's error message may be part of it."""
    return fitted(reason, LONGEST_REASON)
