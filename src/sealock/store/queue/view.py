"""What the rules decide by, read in three queries whose size does not grow with the builds that wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy import text as literal

from sealock.core.queue import QueueState
from sealock.core.queue_rules import Head, Host, Lane, Share, View
from sealock.core.worker_state import WorkerState
from sealock.store.database.metadata import milliseconds
from sealock.store.database.tables import accounts, builds, workers
from sealock.store.queue.change import Change
from sealock.store.queue.tables import queue_accounts, queue_builds, queue_lanes, queue_projects

HEARD = 60.0
"""Seconds for which a worker that asked for work, or has some, counts as there."""

SEEN_AGAIN = 10.0
"""Seconds after which it is noted anew that a worker was seen."""

HELD = [state for state in QueueState if state.held]

_head = queue_builds.alias("head")
_first = queue_builds.alias("first")
_first_place = (
    select(_first.c.place)
    .where(_first.c.lane == queue_lanes.c.id, _first.c.state == QueueState.QUEUED)
    .order_by(_first.c.rank, _first.c.place)
    .limit(1)
    .scalar_subquery()
)
# A literal zero, so that the index of the lanes that wait is used whatever is bound.
_WAITING = queue_lanes.c.queued > literal("0")

_LANES = (
    select(
        *queue_lanes.c["id", "account", "project", "needs", "group"],
        *_head.c["build", "rank", "place"],
        *accounts.c["max_running", "weight"],
        func.coalesce(queue_accounts.c.passed, 0).label("passed"),
        queue_projects.c.max_running.label("project_limit"),
    )
    .select_from(queue_lanes)
    .join(_head, _head.c.place == _first_place)
    .join(accounts, accounts.c.id == queue_lanes.c.account)
    .outerjoin(queue_accounts, queue_accounts.c.account == queue_lanes.c.account)
    .outerjoin(queue_projects, queue_projects.c.project == queue_lanes.c.project)
    .where(_WAITING)
)
_HELD = (
    select(
        *queue_lanes.c["id", "account", "project", "needs", "group"], queue_builds.c.worker, builds.c.number
    )
    .select_from(queue_builds)
    .join(queue_lanes, queue_lanes.c.id == queue_builds.c.lane)
    .join(builds, builds.c.id == queue_builds.c.build)
    .where(queue_builds.c.state.in_(HELD))
)
_WORKERS = select(*workers.c["id", "labels", "machines", "seen_at"]).where(
    workers.c.state == WorkerState.ACTIVE
)
LEAST_PASSED = (
    select(queue_accounts.c.passed)
    .join(queue_lanes, queue_lanes.c.account == queue_accounts.c.account)
    .where(_WAITING)
    .order_by(queue_accounts.c.passed)
    .limit(1)
)
"""Where the account stands that is least served of those that wait."""


def read_view(connection: Connection, now: int) -> View:
    """The queue at this moment. now: milliseconds since 1970."""
    waiting = connection.execute(_LANES).all()
    held = connection.execute(_HELD).all()
    return View(
        _lanes(waiting, held),
        {row.account: Share(row.max_running, row.weight, row.passed) for row in waiting},
        {row.project: row.project_limit for row in waiting if row.project_limit is not None},
        _hosts(connection, held, now),
        {(row.project, row.group): f"#{row.number}" for row in held if row.group},
    )


def _lanes(waiting: Sequence[Any], held: Sequence[Any]) -> list[Lane]:
    heads = {row.id: Head(row.build, -row.rank, row.place) for row in waiting}
    rows = {row.id: row for row in (*held, *waiting)}
    running: dict[int, int] = {}
    for row in held:
        running[row.id] = running.get(row.id, 0) + 1
    return [
        Lane(
            lane,
            row.account,
            row.project,
            frozenset(row.needs.split(",")) - {""},
            row.group,
            heads.get(lane),
            running.get(lane, 0),
        )
        for lane, row in rows.items()
    ]


def _hosts(connection: Connection, held: Sequence[Any], now: int) -> list[Host]:
    running: dict[str, int] = {}
    for row in held:
        running[row.worker] = running.get(row.worker, 0) + 1
    return [
        Host(
            row.id,
            frozenset(row.labels),
            row.machines,
            running.get(row.id, 0),
            row.id in running or now - (row.seen_at or 0) < milliseconds(HEARD),
        )
        for row in connection.execute(_WORKERS)
    ]


def see(change: Change, worker: str) -> None:
    """Note that the worker is there, unless that is noted already."""
    seen = workers.c.seen_at
    change.connection.execute(
        update(workers)
        .where(workers.c.id == worker)
        .where(seen.is_(None) | (seen <= change.after(-SEEN_AGAIN)) | (seen > change.now))
        .values(seen_at=change.now)
    )
