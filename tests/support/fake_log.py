"""A shelf of real sealed logs beside those in memory, for a website of the tests.

async with SealedShelf(directory) as shelf:
    writer = shelf.begin(project, run)      # a `LogWriter`: write, mark, flush, close
    await shelf.tell(run)                   # there is more of it
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from sealock.core.event import CommandEnded, CommandStarted, PhaseEnded, PhaseStarted
from sealock.core.event_text import to_text
from sealock.core.log import LogRemoval, LogWriter
from sealock.core.log_pages import LogShelf, OpenLog, Running, log_topic
from sealock.core.sealed import LOCAL_ACCOUNT, Kind, Sealed, SealedName
from sealock.core.secret import Secret
from sealock.livelog.files import LogFiles
from sealock.livelog.shelf import SealedShelf as RealShelf
from sealock.store.queue.wakeups import LocalWakeups
from sealock.store.sealed import SealedFiles
from tests.support.shelf import OpenedLogs
from tests.support.site_log import MemoryShelf


class SealedShelf(MemoryShelf):
    """A `LogShelf`; everything of the sealed logs is real but the keeper."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._memory = MemoryShelf()
        self._memory.logs, self._memory.opened = self.logs, self.opened
        self.wakeups = LocalWakeups()
        self.kept = OpenedLogs(LogFiles(directory / "logs"), SealedFiles(directory / "sealed"))
        self.shelf = RealShelf(self.kept, self.wakeups)
        self._runs: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.shelf.__aexit__(*error)

    def begin(self, project: str, run: str) -> LogWriter:
        """A log of the first account."""
        self._runs.add(run)
        name = SealedName(LOCAL_ACCOUNT, project, Kind.LOG_KEY, run, 1)
        self.kept.values.put(Sealed(name, 1, "none", b"", 0.0))
        self.kept.keys[run] = os.urandom(32)
        return self.kept.files.create(run, Secret(self.kept.keys[run]))

    def _home(self, account: str, project: str, run: str) -> LogShelf:
        in_memory = (account, project, run) in self.logs and run not in self._runs
        return self._memory if in_memory else self.shelf

    async def tell(self, run: str) -> None:
        """Wake who follows it."""
        await self.wakeups.tell(log_topic(run))

    @asynccontextmanager
    async def open(
        self, account: str, project: str, run: str, *, person: str, running: Running | None = None
    ) -> AsyncIterator[OpenLog]:
        home: LogShelf = self._home(account, project, run)
        async with home.open(account, project, run, person=person, running=running) as log:
            yield log

    async def remove(self, account: str, project: str, run: str, *, person: str, why: str = "") -> None:
        home: LogShelf = self._home(account, project, run)
        await home.remove(account, project, run, person=person, why=why)

    async def removal(self, run: str) -> LogRemoval | None:
        return self._memory.removals.get(run) or await self.shelf.removal(run)


def write_phase(
    writer: LogWriter, name: str, commands: Iterable[tuple[str, bytes, int | None]], at: float
) -> None:
    """A phase with its commands: line, output, exit code (None: stopped). It ends badly if one does."""
    writer.mark(to_text(PhaseStarted(name, at)))
    ok = True
    for number, (line, output, code) in enumerate(commands, 1):
        writer.mark(to_text(CommandStarted(number, line, at)))
        writer.write(output)
        writer.mark(to_text(CommandEnded(number, code, 1.5)))
        ok = ok and code == 0
    writer.mark(to_text(PhaseEnded(name, at + 2, ok)))
    writer.flush()
