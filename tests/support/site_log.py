"""Logs on a shelf in memory: as `core.log_pages` says, without colours and with a single group."""

from __future__ import annotations

import asyncio
import hashlib
import html
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sealock.core.errors import UsageError
from sealock.core.log import LogRemoval, was_removed
from sealock.core.log_pages import (
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

PAGE = 500


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
    """An `OpenLog`."""

    log: MemoryLog

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
        if not text or "\n" in text:
            raise UsageError("this text cannot be searched for")
        spelled = str.casefold if ignore_case else str
        found = [n for n, line in enumerate(self.log.lines, 1) if spelled(text) in spelled(line)]
        shown = list(enumerate(found, 1))[first - 1 : first + 9]
        return LogHits([LogHit(n, line, [self.log.line(line)]) for n, line in shown], len(found), more=False)

    async def text(self, first: int, last: int | None, *, colours: bool, times: bool) -> bytes:
        return "".join(line + "\n" for line in self.log.lines[first - 1 : last]).encode()

    async def raw(self) -> AsyncIterator[bytes]:
        for line in self.log.lines:
            yield line.encode() + b"\n"

    async def follow(self, last_id: str | None, *, first: int = 1) -> AsyncIterator[Sequence[LogUpdate]]:
        if last_id is not None and (not last_id.isascii() or not last_id.isdigit()):
            raise UsageError(f"this log has no line {last_id[:40]!r} to go on from")
        told = first - 1 if last_id is None else int(last_id)
        if told > len(self.log.lines):
            raise UsageError(f"this log has no line {told} to go on from")
        while True:
            self.log.changed.clear()
            if new := [self.log.line(number) for number in range(told + 1, len(self.log.lines) + 1)]:
                told = len(self.log.lines)
                yield [LogUpdate(str(line.number), line, again=False) for line in new]
            if self.log.complete and told == len(self.log.lines):
                return
            await self.log.changed.wait()


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
        log = self._find(account, project, run)
        self.opened.append((run, person))
        yield OpenMemoryLog(log)

    async def remove(self, account: str, project: str, run: str, *, person: str, why: str = "") -> None:
        self._find(account, project, run)
        del self.logs[account, project, run]
        self.removals[run] = LogRemoval(run, person, time.time(), why)

    async def removal(self, run: str) -> LogRemoval | None:
        return self.removals.get(run)

    def _find(self, account: str, project: str, run: str) -> MemoryLog:
        try:
            return self.logs[account, project, run]
        except KeyError:
            if run in self.removals:
                raise was_removed(self.removals[run]) from None
            raise UsageError(
                "there is no log of this build", resolution="It was removed, or never begun."
            ) from None
