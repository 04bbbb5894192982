"""Puts a build into the queue, and what it replaces out of it."""

from __future__ import annotations

from sqlalchemy import insert, select, update

from sealock.core.errors import UsageError
from sealock.core.queue import WORK, Enqueued, Order, QueueEventKind, QueueState
from sealock.core.queue_rules import on_cancel, on_return, refuse_order, superseded
from sealock.store.queue.change import Change
from sealock.store.queue.entries import count, entries, entry_of, follow, record
from sealock.store.queue.tables import queue_accounts, queue_builds, queue_clock, queue_lanes, queue_projects
from sealock.store.queue.view import LEAST_PASSED

REPLACED = "a newer commit replaced it"


def enqueue(change: Change, order: Order) -> Enqueued:
    """As `core.queue.Queue.enqueue`."""
    refuse_order(order)
    if order.delivery and (known := _delivered(change, order)):
        return Enqueued(known, new=False)
    if entry_of(change, order.build):
        raise UsageError(f"the build {order.build} is in the queue already")
    replaced = _supersede(change, order)
    _return_of(change, order.account)
    _limit(change, order)
    lane = _lane(change, order)
    _insert(change, order, lane)
    count(change, lane, +1)
    change.topics.add(WORK)
    entry = entry_of(change, order.build)
    assert entry is not None
    record(change, entry, QueueEventKind.ENQUEUED)
    return Enqueued(order.build, new=True, superseded=replaced)


def _delivered(change: Change, order: Order) -> str | None:
    same = (queue_builds.c.project == order.project) & (queue_builds.c.delivery == order.delivery)
    return change.connection.execute(select(queue_builds.c.build).where(same)).scalar()


def _supersede(change: Change, order: Order) -> tuple[str, ...]:
    if not order.line:
        return ()
    of = queue_builds.c
    open_ones = of.state.in_([QueueState.QUEUED, QueueState.RUNNING])
    older = entries(change, of.project == order.project, of.line == order.line, open_ones)
    wanted = {each.build for each in superseded(order, [entry.standing for entry in older])}
    for entry in older:
        if entry.build in wanted:
            follow(change, entry, on_cancel(entry.state), REPLACED)
    return tuple(entry.build for entry in older if entry.build in wanted)


def _return_of(change: Change, account: str) -> None:
    """Have the account's turn begin with those that wait, if none of its builds did."""
    of = queue_lanes.c
    waits = select(of.id).where(of.account == account, of.queued > 0).limit(1)
    if change.connection.execute(waits).scalar() is not None:
        return
    row = queue_accounts.c
    passed = change.connection.execute(select(row.passed).where(row.account == account)).scalar()
    reached = change.connection.execute(select(queue_clock.c.reached)).scalar()
    waiting = list(change.connection.execute(LEAST_PASSED).scalars())
    now_at = on_return(passed or 0, reached or 0, waiting)
    if passed is None:
        change.connection.execute(insert(queue_accounts), {"account": account, "passed": now_at})
    elif now_at != passed:
        change.connection.execute(update(queue_accounts).where(row.account == account).values(passed=now_at))


def _limit(change: Change, order: Order) -> None:
    mine = queue_projects.c.project == order.project
    changed = change.connection.execute(
        update(queue_projects).where(mine).values(max_running=order.project_limit)
    )
    if not changed.rowcount:
        change.connection.execute(
            insert(queue_projects), {"project": order.project, "max_running": order.project_limit}
        )


def _lane(change: Change, order: Order) -> int:
    values = {"project": order.project, "needs": ",".join(sorted(order.needs)), "group": order.group}
    same = [queue_lanes.c[name] == value for name, value in values.items()]
    known = change.connection.execute(select(queue_lanes.c.id).where(*same)).scalar()
    if known is not None:
        return int(known)
    made = change.connection.execute(
        insert(queue_lanes).returning(queue_lanes.c.id), {**values, "account": order.account}
    )
    return int(made.scalar_one())


def _insert(change: Change, order: Order, lane: int) -> None:
    change.connection.execute(
        insert(queue_builds),
        {
            "build": order.build,
            "account": order.account,
            "project": order.project,
            "lane": lane,
            "state": QueueState.QUEUED,
            "rank": -order.priority,
            "attempts": order.attempts,
            "deadline": change.after(change.patience.queued),
            "line": order.line,
            "delivery": order.delivery or None,
            "deploys": order.deploys,
        },
    )
