"""Who is next and why another is not: both out of the same view, by the same rules."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select, update

from sealock.core.queue import Claim, Fence, QueueEvent, QueueEventKind, QueueState, Waiting
from sealock.core.queue_rules import Lane, View, carried, next_build, reasons
from sealock.store.database.metadata import seconds
from sealock.store.queue.change import Change
from sealock.store.queue.deadlines import put_back
from sealock.store.queue.entries import Entry, entry_of, start
from sealock.store.queue.tables import queue_accounts, queue_builds, queue_clock, queue_events
from sealock.store.queue.view import read_view, see


def claim(change: Change, worker: str) -> Claim | None:
    """As `core.queue.Queue.claim`."""
    put_back(change)
    see(change, worker)
    view = read_view(change.connection, change.now)
    head = next_build(view, worker)
    entry = entry_of(change, head.build) if head else None
    if entry is None:
        return None
    attempt = start(change, entry, worker)
    _carry(change, view, entry)
    fence = Fence(entry.build, attempt, worker)
    return Claim(fence, entry.account, entry.project, change.patience.lease, change.patience.away)


def _carry(change: Change, view: View, entry: Entry) -> None:
    share = view.shares[entry.account]
    passed = carried(share)
    change.connection.execute(update(queue_clock).values(reached=share.passed))
    row = queue_accounts.c.account == entry.account
    if not change.connection.execute(update(queue_accounts).where(row).values(passed=passed)).rowcount:
        change.connection.execute(insert(queue_accounts), {"account": entry.account, "passed": passed})


def why(connection: Connection, now: int, build: str) -> Waiting | None:
    """As `core.queue.Queue.why`."""
    of = queue_builds.c
    row = connection.execute(
        select(*of["account", "lane", "rank", "place"]).where(
            of.build == build, of.state == QueueState.QUEUED
        )
    ).first()
    if row is None:
        return None
    view = read_view(connection, now)
    lane = _lane(view, row.lane)
    queued = (of.account == row.account) & (of.state == QueueState.QUEUED)
    before = (of.rank < row.rank) | ((of.rank == row.rank) & (of.place < row.place))
    counted = select(func.count(), func.count().filter(before)).where(queued)
    total, ahead = connection.execute(counted).one()
    return Waiting(ahead + 1, total, reasons(view, lane))


def _lane(view: View, lane: int) -> Lane:
    return next(each for each in view.lanes if each.id == lane)


def history(connection: Connection, build: str) -> list[QueueEvent]:
    """As `core.queue.Queue.history`."""
    of = queue_events.c
    rows = connection.execute(select(queue_events).where(of.build == build).order_by(of.id))
    return [
        QueueEvent(row.build, row.attempt, seconds(row.at), QueueEventKind(row.kind), row.worker, row.reason)
        for row in rows
    ]
