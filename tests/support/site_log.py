"""Logs on a shelf in memory: as `core.log_pages` says, without colours and with a single group."""

from __future__ import annotations

import asyncio
import hashlib
import html
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from sealock.core.errors import UsageError
from sealock.core.log import LogRemoval, was_removed
from sealock.core.log_pages import (
    MOST_LINES,
    LogGroup,
    LogHit,
    LogHits,
    LogLine,
    LogOutline,
    LogPage,
    LogUpdate,
    OpenLog,
    Running,
)
from sealock.livelog.pages import PAGE
from sealock.livelog.search import Search
from sealock.livelog.shelf import no_log

LOOK = 0.2
"""Seconds until it is asked again whether an attempt is over."""


@dataclass
class MemoryLog:
    """Lines of one attempt. complete: nothing comes any more. failing: number of the line that says why."""

    lines: list[str] = field(default_factory=list)
    complete: bool = True
    failing: int | None = None
    started_at: float = 1_760_000_000.0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, *lines: str, complete: bool = False) -> None:
        """More lines came."""
        self.lines += lines
        self.complete = complete
        self.changed.set()

    def line(self, number: int) -> LogLine:
        return LogLine(number, html.escape(self.lines[number - 1]), self.started_at + number)


@dataclass
class OpenMemoryLog:
    """An `OpenLog`. get: the log, None while there is none; UsageError once it was removed."""

    get: Callable[[], MemoryLog | None]
    running: Running | None = None

    @property
    def log(self) -> MemoryLog:
        return self.get() or MemoryLog(complete=False)

    async def page(self, number: int) -> LogPage:
        pages = max(1, -(-len(self.log.lines) // PAGE))
        if not 1 <= number <= pages:
            raise UsageError(f"this log has no page {number}")
        numbers = range((number - 1) * PAGE + 1, min(number * PAGE, len(self.log.lines)) + 1)
        lines = [self.log.line(one) for one in numbers]
        tag = '"' + hashlib.sha256(repr(lines).encode()).hexdigest()[:32] + '"'
        final = self.log.complete or len(self.log.lines) > number * PAGE
        return LogPage(number, lines, pages, len(self.log.lines), tag, final)

    async def outline(self) -> LogOutline:
        count = len(self.log.lines)
        group = LogGroup("phase", "test:unit", 1, count if self.log.complete else None, is_open=True)
        failing = self.log.failing
        return LogOutline(count, self.log.complete, [group], [], failing, "make test" if failing else None)

    async def search(self, text: str, *, first: int = 1, ignore_case: bool = True) -> LogHits:
        Search(text, first=1, limit=1, ignore_case=ignore_case)  # whether it can be searched for
        spelled = str.casefold if ignore_case else str
        found = [n for n, line in enumerate(self.log.lines, 1) if spelled(text) in spelled(line)]
        shown = list(enumerate(found, 1))[first - 1 : first + 9]
        return LogHits([LogHit(n, line, [self.log.line(line)]) for n, line in shown], len(found), more=False)

    async def text(self, first: int, last: int | None, *, colours: bool, times: bool) -> bytes:
        chosen = self.log.lines[first - 1 : last]
        if len(chosen) > MOST_LINES:
            raise UsageError(f"more than {MOST_LINES} lines cannot be had at once")
        return "".join(line + "\n" for line in chosen).encode()

    async def raw(self) -> AsyncIterator[bytes]:
        for line in self.log.lines:
            yield line.encode() + b"\n"

    async def follow(self, last_id: str | None, *, first: int = 1) -> AsyncIterator[Sequence[LogUpdate]]:
        if last_id is not None and (not last_id.isascii() or not last_id.isdigit()):
            raise UsageError(f"this log has no line {last_id[:40]!r} to go on from")
        told = first - 1 if last_id is None else int(last_id)
        if told > len(self.log.lines):
            raise UsageError(f"this log has no line {told} to go on from")
        is_over = False
        while True:
            log = self.log
            log.changed.clear()
            if new := [log.line(number) for number in range(told + 1, len(log.lines) + 1)]:
                told = len(log.lines)
                yield [LogUpdate(str(line.number), line, again=False) for line in new]
            if is_over or (log.complete and told == len(log.lines)):
                return
            is_over = await self._is_over(log)

    async def _is_over(self, log: MemoryLog) -> bool:
        """Wait for more, then say whether the attempt is over; one more look is to follow."""
        if self.running is None:
            return True
        with suppress(TimeoutError):
            await asyncio.wait_for(log.changed.wait(), LOOK)
        return await self.running.is_over()


class MemoryShelf:
    """A `LogShelf`. logs: by account, project and run. opened: who opened which run."""

    def __init__(self) -> None:
        self.logs: dict[tuple[str, str, str], MemoryLog] = {}
        self.opened: list[tuple[str, str]] = []
        self.removals: dict[str, LogRemoval] = {}

    @asynccontextmanager
    async def open(
        self, account: str, project: str, run: str, *, person: str, running: Running | None = None
    ) -> AsyncIterator[OpenLog]:
        if self._find(account, project, run) is None and running is None:
            raise no_log(run)
        self.opened.append((run, person))
        yield OpenMemoryLog(lambda: self._find(account, project, run), running)

    async def remove(self, account: str, project: str, run: str, *, person: str, why: str = "") -> None:
        if (log := self._find(account, project, run)) is None:
            raise no_log(run)
        del self.logs[account, project, run]
        log.changed.set()
        self.removals[run] = LogRemoval(run, person, time.time(), why)

    async def removal(self, run: str) -> LogRemoval | None:
        return self.removals.get(run)

    def _find(self, account: str, project: str, run: str) -> MemoryLog | None:
        found = self.logs.get((account, project, run))
        if found is None and run in self.removals:
            raise was_removed(self.removals[run])
        return found
