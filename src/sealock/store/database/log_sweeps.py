"""Which ended builds have old logs, and what was last seen of the database's clock
(`core.log_retention.EndedBuilds`).

All goes by that clock, which builds end by, too: several websites have one idea of the time. The database is
asked in one statement in which projects a log may be due, by the oldest and the newest that each has; only
these projects' settings are read, and only in these are builds looked for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, or_, select, update

from sealock.core.errors import PermanentError
from sealock.core.log_retention import (
    BACK_MOST,
    DAY,
    FOR_EVER,
    ClockSeen,
    EndedBuild,
    Keeping,
    Look,
    keeping,
    look,
)
from sealock.store.database.engine import Database
from sealock.store.database.kept_tables import log_sweeps
from sealock.store.database.metadata import milliseconds, seconds
from sealock.store.database.project_settings import decode
from sealock.store.database.tables import HAS_LOGS, builds, projects
from sealock.store.queue.change import Clock, database_time, stand_alone

log = logging.getLogger(__name__)

ONLY = 1
"""The row's id."""


class DatabaseEndedBuilds:
    """An `EndedBuilds`. clock: for tests; it is the database's own."""

    def __init__(self, database: Database, clock: Clock = database_time) -> None:
        self._database, self._clock = database, clock

    async def look(self) -> Look:
        """Look at the clock, and keep what was seen."""
        async with self._database.write() as connection:
            return await connection.run_sync(self._look)

    async def old(self, seen: Look, installation: int, limit: int) -> Sequence[EndedBuild]:
        """The old ones, project by project, at most so many."""
        async with self._database.read() as connection:
            return await connection.run_sync(_old, seen, installation, limit)

    async def swept(self, build: str) -> None:
        """Its logs are gone."""
        async with self._database.write() as connection:
            now = await connection.run_sync(self._clock)
            mine = (builds.c.id == build, HAS_LOGS)
            await connection.execute(update(builds).where(*mine).values(logs_removed_at=now))

    def _look(self, connection: Connection) -> Look:
        stand_alone(connection)  # two first looks would both make the row
        row = connection.execute(select(log_sweeps).where(log_sweeps.c.id == ONLY)).one_or_none()
        before = None if row is None else ClockSeen(seconds(row.looked_at), seconds(row.steady_since))
        seen = look(before, seconds(self._clock(connection)))
        values = {"looked_at": milliseconds(seen.now), "steady_since": milliseconds(seen.steady_since)}
        if row is None:
            connection.execute(insert(log_sweeps).values(id=ONLY, **values))
        else:
            connection.execute(update(log_sweeps).where(log_sweeps.c.id == ONLY).values(values))
        return seen


def _old(connection: Connection, seen: Look, installation: int, limit: int) -> list[EndedBuild]:
    found: list[EndedBuild] = []
    for row in _projects(connection, seen, installation):
        if (kept := _keeping(row, installation)) is None:
            continue
        for ended in _due(row, seen, kept):
            for build in _of_project(connection, row.id, ended, limit - len(found)):
                found.append(
                    EndedBuild(build.id, row.account, row.id, build.attempt, seconds(build.ended_at), kept)
                )
        if len(found) >= limit:
            break
    return found


def _projects(connection: Connection, seen: Look, installation: int) -> Sequence[Any]:
    """Those with a log that may be due, the one with the oldest first. What a project's own settings say is
    not read here, but that they may say as little as a day."""
    of = projects.c
    oldest, newest = _ended(func.min(builds.c.ended_at)), _ended(func.max(builds.c.ended_at))
    may_be_due = [
        of.settings["keep_logs"].as_string().is_not(None) & (oldest <= milliseconds(seen.now - DAY)),
        newest > milliseconds(seen.now + BACK_MOST),
    ]
    if installation != FOR_EVER:
        may_be_due.append(oldest <= milliseconds(seen.now - installation * DAY))
    ends = (oldest.label("oldest"), newest.label("newest"))
    rows = connection.execute(select(of.id, of.account, of.settings, *ends).where(or_(*may_be_due))).all()
    return sorted(rows, key=lambda row: (row.oldest, row.id))


def _ended(which: ColumnElement[Any]) -> Any:
    """Of the builds of a project whose logs are there."""
    mine = builds.c.project == projects.c.id
    return select(which).where(mine, HAS_LOGS).correlate(projects).scalar_subquery()


def _keeping(row: Any, installation: int) -> Keeping | None:
    """None where the project's settings cannot be read: its logs are kept, the others' go on."""
    try:
        return keeping(installation, decode(row.settings).keep_logs)
    except (PermanentError, TypeError) as error:  # a value may be of any type
        log.warning("the logs of project %s are kept: %s", row.id, error)
        return None


def _due(row: Any, seen: Look, kept: Keeping) -> Iterator[ColumnElement[bool]]:
    """When builds ended that are due, where the project has some: too long ago; or in the future, by a clock
    that was put right."""
    before, future = seen.now - kept.days * DAY, milliseconds(seen.now + BACK_MOST)
    if kept.days == FOR_EVER:
        return
    if row.oldest <= milliseconds(before):
        yield builds.c.ended_at <= milliseconds(before)
    if seen.steady_since <= before and row.newest > future:
        yield builds.c.ended_at > future


def _of_project(
    connection: Connection, project: str, ended: ColumnElement[bool], limit: int
) -> Sequence[Any]:
    of = builds.c
    rows = select(of.id, of.attempt, of.ended_at).where(of.project == project, HAS_LOGS, ended)
    return connection.execute(rows.order_by(of.ended_at).limit(max(0, limit))).all()
