"""Ended builds with real sealed logs in a data directory, and a sweep over them.

`python -m tests.support.sweeps URL DIRECTORY N` is one round that kills itself at the Nth time it changes a
file below the directory.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select, update

from sealock.builds.log_sweep import LogSweep
from sealock.core.build import Outcome
from sealock.core.build_state import BuildState
from sealock.core.builds import run_id
from sealock.core.log_retention import DAY, HELD_FOR
from sealock.core.project_settings import ProjectSettings
from sealock.core.sealed import LOCAL_ACCOUNT, Kind, Owner, Sealed, SealedName
from sealock.core.secret import Secret
from sealock.livelog.files import LogFiles
from sealock.livelog.shelf import SealedShelf
from sealock.store.database.engine import Database, open_database
from sealock.store.database.log_sweeps import DatabaseEndedBuilds
from sealock.store.database.project_settings import encode
from sealock.store.database.tables import builds, projects
from sealock.store.queue.change import database_time
from sealock.store.queue.wakeups import LocalWakeups
from sealock.store.sealed import SealedFiles
from tests.support.queue import build_row, project_row
from tests.support.shelf import OpenedLogs

SHOP = "shop"
KEY = b"sealed-key-of-"
OUTPUT = b"what a customer's build printed\n" * 50


class Sweeping:
    """offset: seconds by which the database's clock is wrong."""

    def __init__(self, database: Database, directory: Path, days: int = 30) -> None:
        self.database, self.directory = database, directory
        self.files = LogFiles(directory / "logs")
        self.values = SealedFiles(directory / "sealed")
        self.shelf = SealedShelf(OpenedLogs(self.files, self.values), LocalWakeups())
        self.offset = 0.0
        self.ended = DatabaseEndedBuilds(database, self.clock)
        self.sweep = LogSweep(self.ended, self.shelf, days)
        self._numbers = 0

    def clock(self, connection: Connection) -> int:
        return database_time(connection) + round(self.offset * 1000)

    def another(self, days: int = 30) -> LogSweep:
        """Another website's sweep."""
        return LogSweep(DatabaseEndedBuilds(self.database, self.clock), self.shelf, days)

    async def trust_the_clock(self) -> None:
        """It has run on for a day since somebody looked first."""
        await self.ended.look()
        self.offset += HELD_FOR

    async def project(self, name: str, **settings: Any) -> None:
        """A project with these settings."""
        row = project_row(name) | {"account": LOCAL_ACCOUNT, "settings": encode(ProjectSettings(**settings))}
        async with self.database.write() as connection:
            await connection.execute(insert(projects), row)

    async def build(self, age: float, *, attempts: int = 1, project: str = SHOP, **row: Any) -> str:
        """A build that ended so many days ago, with a log for each attempt; its id."""
        self._numbers += 1
        build = f"{self._numbers:032x}"
        state = {"state": BuildState.ENDED, "outcome": Outcome.RED, "attempt": attempts, "project": project}
        async with self.database.write() as connection:
            now = await connection.run_sync(self.clock)
            made = build_row(build, LOCAL_ACCOUNT, self._numbers) | state
            made |= {"place": self._numbers, "ended_at": now - round(age * DAY * 1000)} | row
            await connection.execute(insert(builds), made)
        for attempt in range(1, attempts + 1):
            self.log(run_id(build, attempt), project)
        return build

    def log(self, run: str, project: str = SHOP) -> None:
        """A log with a key that can be found again by its bytes."""
        name = SealedName(LOCAL_ACCOUNT, project, Kind.LOG_KEY, run, 1)
        self.values.put(Sealed(name, 1, "none", KEY + run.encode(), 0.0))
        with Secret(os.urandom(32)) as key:
            writer = self.files.create(run, key)
        writer.write(OUTPUT)
        writer.close()

    def is_there(self, run: str, project: str = SHOP) -> bool:
        """Both, the log and its key, or neither."""
        key = self.values.get(Owner(LOCAL_ACCOUNT, project), Kind.LOG_KEY, run)
        assert (key is not None) == self.files.has_begun(run)
        return key is not None

    async def marked(self) -> set[str]:
        """The builds whose logs are known to be gone."""
        async with self.database.read() as connection:
            found = await connection.execute(select(builds.c.id).where(builds.c.logs_removed_at.is_not(None)))
            return set(found.scalars())

    async def settings(self, project: str, **settings: Any) -> None:
        """Change a project's settings."""
        mine = projects.c.id == project
        async with self.database.write() as connection:
            values = {"settings": encode(ProjectSettings(**settings))}
            await connection.execute(update(projects).where(mine).values(values))


class _Kills:
    """Counts what changes files below a directory, and ends this process at one of them."""

    def __init__(self, directory: str, at: int) -> None:
        self._directory, self._left, self.is_on = directory, at, False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on or event not in {"open", "os.rename", "os.remove"}:
            return
        if not str(arguments[0]).startswith(self._directory):
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


async def _round(url: str, directory: Path, at: int) -> None:
    kills = _Kills(str(directory), at)
    sys.addaudithook(kills)
    async with open_database(url) as database:
        sweeping = Sweeping(database, directory)
        sweeping.offset = HELD_FOR
        kills.is_on = True
        await sweeping.sweep.round()


if __name__ == "__main__":
    asyncio.run(_round(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
