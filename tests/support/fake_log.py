"""Logs as the keeper's side gives them out, without the keeper: real sealed logs, opened with a key of ours.

shelf = SealedShelf(directory)
writer = shelf.begin(run)       # a `LogWriter`: write, mark, flush, close
shelf.forget(run)               # as if it had been removed
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sealock.core.errors import UsageError
from sealock.core.event import CommandEnded, CommandStarted, PhaseEnded, PhaseStarted
from sealock.core.event_text import to_text
from sealock.core.log import LogReader, LogWriter
from sealock.core.log_pages import (
    LogGroup,
    LogHit,
    LogHits,
    LogLine,
    LogNote,
    LogOutline,
    LogPage,
    LogUpdate,
    OpenLog,
    Running,
)
from sealock.core.secret import Secret
from sealock.livelog.failing import opening
from sealock.livelog.files import LogFiles
from sealock.livelog.groups import Group, outline
from sealock.livelog.pages import Row, page
from sealock.livelog.pages_follow import Follower
from sealock.livelog.pages_search import search
from sealock.livelog.pages_text import whole_text
from tests.support.site_log import MemoryShelf

KEY = bytes(range(32))
LOOK_AGAIN = 0.05
"""Seconds."""


@dataclass
class OpenSealedLog:
    """An `OpenLog`."""

    reader: LogReader
    running: Running | None = None

    async def page(self, number: int) -> LogPage:
        found = page(self.reader, number)
        return LogPage(
            found.number, _lines(found.rows), found.pages, found.lines, found.tag, final=found.final
        )

    async def outline(self) -> LogOutline:
        found, opens = outline(self.reader), opening(self.reader)
        return LogOutline(
            self.reader.lines,
            self.reader.complete,
            [_group(each) for each in found.groups],
            [LogNote(each.at, each.level, each.message) for each in found.notes],
            opens.line if opens else None,
            opens.command.name if opens and opens.command else None,
            opens.tool if opens else None,
        )

    async def search(self, text: str, *, first: int = 1, ignore_case: bool = True) -> LogHits:
        found = search(self.reader, text, first=first, ignore_case=ignore_case)
        hits = [LogHit(each.number, each.line, _lines(each.rows)) for each in found.hits]
        return LogHits(hits, found.of, found.more)

    async def text(self, first: int, last: int | None, *, colours: bool, times: bool) -> bytes:
        return b"".join(whole_text(self.reader, escapes=colours, first=first, last=last))

    async def raw(self) -> AsyncIterator[bytes]:
        for piece in whole_text(self.reader, escapes=False):
            yield piece

    async def follow(self, last_id: str | None, *, first: int = 1) -> AsyncIterator[Sequence[LogUpdate]]:
        follower = Follower(self.reader, last_id, first=first)
        while True:
            if found := follower.poll():
                yield [LogUpdate(each.id, _line(each.row), each.again) for each in found]
            elif follower.is_done or (self.running and await self.running.is_over()):
                return
            if not follower.is_behind:
                await asyncio.sleep(LOOK_AGAIN)


class SealedShelf(MemoryShelf):
    """A `LogShelf` of sealed logs, and of those in memory."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._files = LogFiles(directory)
        self._gone: set[str] = set()
        self.sealed: set[str] = set()

    def begin(self, run: str) -> LogWriter:
        self.sealed.add(run)
        return self._files.create(run, Secret(KEY))

    def forget(self, run: str) -> None:
        self.sealed.add(run)
        self._gone.add(run)

    @asynccontextmanager
    async def open(
        self, account: str, project: str, run: str, *, person: str, running: Running | None = None
    ) -> AsyncIterator[OpenLog]:
        if run in self._gone:
            raise UsageError("the log of this build was removed", resolution="It cannot be had back.")
        if run not in self.sealed:
            async with super().open(account, project, run, person=person, running=running) as memory:
                yield memory
            return
        self.opened.append((run, person))
        with self._files.open(run, Secret(KEY)) as reader:
            yield OpenSealedLog(reader, running)


def write_phase(writer: LogWriter, name: str, commands: Iterable[tuple[str, bytes, int]], at: float) -> None:
    """A phase with its commands: line, output, exit code. It ends badly if one does."""
    writer.mark(to_text(PhaseStarted(name, at)))
    ok = True
    for number, (line, output, code) in enumerate(commands, 1):
        writer.mark(to_text(CommandStarted(number, line, at)))
        writer.write(output)
        writer.mark(to_text(CommandEnded(number, code, 1.5)))
        ok = ok and code == 0
    writer.mark(to_text(PhaseEnded(name, at + 2, ok)))
    writer.flush()


def _lines(rows: Iterable[Row]) -> list[LogLine]:
    return [_line(row) for row in rows]


def _line(row: Row) -> LogLine:
    return LogLine(row.number, row.html, row.at, row.cut, row.hidden)


def _group(group: Group) -> LogGroup:
    stretch = group.stretch
    return LogGroup(
        group.kind,
        group.name,
        group.first,
        group.last,
        group.is_open,
        stretch.ok if stretch else None,
        stretch.exit_code if stretch else None,
        stretch.seconds if stretch else None,
        [_group(each) for each in group.groups],
    )
