"""Builds in the database (`core.builds.BuildRecords`). The queue's rows are written by `store.queue` alone,
in the same transactions as what is kept here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, select

from sealock.core.build_state import BuildState
from sealock.core.builds import (
    MOST_BUILDS,
    BuildFilter,
    BuildView,
    Created,
    Ended,
    NewBuild,
    Progress,
    Work,
)
from sealock.core.errors import UsageError
from sealock.core.queue import Fence
from sealock.store.database import build_orders, build_progress
from sealock.store.database.build_rows import shown, view_of, whole_view
from sealock.store.database.build_standing import standing
from sealock.store.database.engine import Database
from sealock.store.database.kept_tables import receipts
from sealock.store.database.metadata import storable
from sealock.store.database.project_settings import decode
from sealock.store.database.projects import project_of
from sealock.store.database.tables import IS_GREEN, builds, projects
from sealock.store.queue.change import Change
from sealock.store.queue.database import DatabaseQueue
from sealock.store.queue.held import fenced
from sealock.store.queue.tables import queue_builds

Result = TypeVar("Result")

MOST_NUMBER = 2**31 - 1
"""What PostgreSQL can have in the column; it takes no larger one to compare with either."""


class DatabaseBuilds:
    """A `BuildRecords`. queue: the one of the same database."""

    def __init__(self, database: Database, queue: DatabaseQueue) -> None:
        self._database, self._queue = database, queue

    async def create(self, account: str, new: NewBuild, protected: bool) -> Created:
        """Number it, keep it and put it into the queue, or find it by its delivery. UsageError if there is
        no such project."""
        return await self._change(lambda change: build_orders.create(change, account, new, protected))

    async def get(self, account: str, build: str) -> BuildView | None:
        """A build with its steps, by its id."""
        return await self._one(shown(account, builds.c.id == build)) if storable(build) else None

    async def numbered(self, account: str, project: str, number: int) -> BuildView | None:
        """The build of that number of the project of that id."""
        if not storable(project) or not 1 <= number <= MOST_NUMBER:
            return None
        return await self._one(shown(account, builds.c.project == project, builds.c.number == number))

    async def page(self, account: str, which: BuildFilter) -> Sequence[BuildView]:
        """The newest first, without steps and phases, at most `which.limit`. UsageError for a
        `before` that is unknown."""
        if not storable(*(value for value in vars(which).values() if isinstance(value, str))):
            return []
        async with self._database.read() as connection:
            return await connection.run_sync(_page, account, which)

    async def latest_of_branches(self, account: str, branches: Sequence[tuple[str, str]]) -> list[BuildView]:
        """For each project id and branch, the build that speaks for it, where there is one."""
        async with self._database.read() as connection:
            return await connection.run_sync(_latest, account, branches)

    async def last_green(self, account: str, build: BuildView) -> BuildView | None:
        """The newest green build of the same project and branch before this one, with its steps; None of
        one that belongs to no branch."""
        mine = select(builds.c.place).where(builds.c.id == build.id, builds.c.account == account)
        of = builds.c
        green = select(of.id).where(
            of.project == build.project,
            of.branch == build.branch,
            IS_GREEN,
            of.place < mine.scalar_subquery(),
        )
        newest = green.order_by(of.place.desc()).limit(1)
        return await self._one(shown(account, of.id == newest.scalar_subquery()))

    async def work(self, fence: Fence) -> Work | None:
        """What whoever has it must know; None if that is not who holds the fence."""
        async with self._database.read() as connection:
            return await connection.run_sync(_work, fence)

    async def progress(self, fence: Fence, progress: Progress) -> bool:
        """Keep what a worker says. False, and nothing is kept, if it no longer has the build."""
        return await self._change(
            lambda change: build_progress.progress(change, fence, progress), alone=False
        )

    async def end(self, fence: Fence, ended: Ended) -> bool:
        """The attempt ended and its machine is gone; the receipt is kept with it, or neither. False: the
        worker no longer has it, or said something else before. Saying the same again is True once more."""
        return await self._change(lambda change: build_progress.end(change, fence, ended))

    async def receipt(self, account: str, build: str, attempt: int | None = None) -> bytes | None:
        """The signed receipt of an attempt, the latest that has one if none is named."""
        if not storable(build) or not 1 <= (attempt or 1) <= MOST_NUMBER:
            return None
        of = receipts.c
        found = select(of.envelope).where(of.account == account, of.build == build)
        if attempt is not None:
            found = found.where(of.attempt == attempt)
        async with self._database.read() as connection:
            return (await connection.execute(found.order_by(of.attempt.desc()).limit(1))).scalar()

    async def _one(self, which: Select[Any]) -> BuildView | None:
        def found(connection: Connection) -> BuildView | None:
            row = connection.execute(which).one_or_none()
            return None if row is None else whole_view(connection, row)

        async with self._database.read() as connection:
            view = await connection.run_sync(found)
        if view is None or view.state is not BuildState.QUEUED:
            return view
        return replace(view, waiting=await self._queue.why(view.id))

    async def _change(self, work: Callable[[Change], Result], *, alone: bool = True) -> Result:
        def within(connection: Connection) -> tuple[Change, Result]:
            change = self._queue.begin(connection, alone=alone)
            return change, work(change)

        async with self._database.write() as connection:
            change, result = await connection.run_sync(within)
        await self._queue.tell(change)
        return result


def _page(connection: Connection, account: str, which: BuildFilter) -> list[BuildView]:
    of = builds.c
    wanted = {
        of.project: which.project,
        of.branch: which.branch,
        of.state: which.state,
        of.outcome: which.outcome,
        of.person: which.mine,
        of.commit: which.commit,
    }
    found = shown(account, *(column == value for column, value in wanted.items() if value is not None))
    if which.before is not None:
        found = found.where(of.place < _place(connection, account, which.before))
    most = max(1, min(which.limit, MOST_BUILDS))
    return [view_of(row) for row in connection.execute(found.order_by(of.place.desc()).limit(most))]


def _place(connection: Connection, account: str, build: str) -> int:
    mine = (builds.c.account == account, builds.c.id == build)
    place = connection.execute(select(builds.c.place).where(*mine)).scalar()
    if place is None:
        raise UsageError("the list does not go on from there", resolution="Begin it anew.")
    return int(place)


def _latest(connection: Connection, account: str, branches: Sequence[tuple[str, str]]) -> list[BuildView]:
    found = (standing(connection, account, *one) for one in dict.fromkeys(branches))
    return [build for build in found if build is not None]


def _work(connection: Connection, fence: Fence) -> Work | None:
    has = select(queue_builds.c.account).where(*fenced(fence))
    account = connection.execute(has).scalar()
    if account is None:
        return None
    row = connection.execute(shown(account, builds.c.id == fence.build)).one()
    project = connection.execute(select(projects).where(projects.c.id == row.project)).one()
    return Work(whole_view(connection, row), project_of(project), decode(project.settings))
