"""What a worker may say about a build it has. The fence is looked at first, and it is looked at here only."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select, update

from sealock.core.build import Outcome
from sealock.core.queue import Beat, Fence, QueueEventKind, QueueState
from sealock.core.queue_rules import after_end, after_failure, holds
from sealock.core.worker_state import WorkerState
from sealock.store.database.tables import workers
from sealock.store.queue.change import Change
from sealock.store.queue.deadlines import lease_until
from sealock.store.queue.entries import Entry, end, entry_of, follow, note, words
from sealock.store.queue.tables import queue_builds, queue_events
from sealock.store.queue.view import HELD, see


def fenced(fence: Fence) -> list[ColumnElement[bool]]:
    """The row of `queue_builds` is this attempt's, and its worker was not revoked."""
    of = queue_builds.c
    revoked = select(workers.c.id).where(workers.c.id == fence.worker, workers.c.state == WorkerState.REVOKED)
    return [
        of.build == fence.build,
        of.attempt == fence.attempt,
        of.worker == fence.worker,
        of.state.in_(HELD),
        ~revoked.exists(),
    ]


def beat(change: Change, fence: Fence) -> Beat:
    """As `core.queue.Queue.beat`. It changes its own row, then its worker's, as a claim does: so it needs to
    be alone with neither. A worker that is full claims nothing, and is heard of by its beats alone."""
    kept = update(queue_builds).where(*fenced(fence)).values(deadline=lease_until(change))
    state = change.connection.execute(kept.returning(queue_builds.c.state)).scalar()
    if state is None:
        return Beat.LOST
    see(change, fence.worker)
    return Beat.CANCEL if state == QueueState.STOPPING else Beat.OK


def begin_deployment(change: Change, fence: Fence) -> Beat:
    """As `core.queue.Queue.begin_deployment`."""
    answer = beat(change, fence)
    if answer is not Beat.OK:
        return answer
    change.connection.execute(update(queue_builds).where(*fenced(fence)).values(deploying=True))
    note(change, fence, QueueEventKind.DEPLOYING)
    return answer


def finish(change: Change, fence: Fence, outcome: Outcome, reason: str) -> bool:
    """As `core.queue.Queue.finish`."""
    entry = _held(change, fence)
    if entry is None:
        return _said_before(change, fence, outcome) or _refuse(change, fence)
    end(change, entry, after_end(entry.state, outcome), outcome, reason)
    return True


def fail(change: Change, fence: Fence, reason: str, temporary: bool) -> bool:
    """As `core.queue.Queue.fail`."""
    entry = _held(change, fence)
    if entry is None:
        return _refuse(change, fence)
    move = after_failure(entry.standing, words(reason), temporary=temporary)
    follow(change, entry, move.to, move.why)
    return True


def _held(change: Change, fence: Fence) -> Entry | None:
    row = change.connection.execute(select(queue_builds.c.place).where(*fenced(fence))).scalar()
    entry = entry_of(change, fence.build) if row is not None else None
    return entry if entry and holds(fence, entry.standing, entry.worker or "") else None


def _said_before(change: Change, fence: Fence, outcome: Outcome) -> bool:
    """The answer to the first time may have been lost on the way."""
    entry = entry_of(change, fence.build)
    if entry is None or entry.state not in (QueueState.FINISHED, QueueState.CANCELLED):
        return False
    said = (entry.attempt, entry.worker, entry.outcome)
    return said == (fence.attempt, fence.worker, outcome)


def _refuse(change: Change, fence: Fence) -> bool:
    """Note it once, of who had the build: nobody else can write into its history."""
    of = queue_events.c
    its_own = (of.build == fence.build, of.attempt == fence.attempt, of.worker == fence.worker)
    known = set(change.connection.execute(select(of.kind).where(*its_own)).scalars())
    if QueueEventKind.CLAIMED in known and QueueEventKind.REFUSED not in known:
        note(change, fence, QueueEventKind.REFUSED, "it no longer has the build")
    return False
