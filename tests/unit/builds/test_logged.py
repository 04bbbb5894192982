"""What a build tells is in its log, soon and whole, and a log that cannot be kept ends the build."""

from __future__ import annotations

import asyncio

import pytest

from sealock.builds.logged import LATEST, logged
from sealock.builds.watcher import Watcher
from sealock.core.errors import PermanentError
from sealock.core.event import CommandEnded, CommandStarted, Event, Output, PhaseEnded, PhaseStarted
from sealock.core.event_text import from_text
from sealock.core.log import LogSummary

pytestmark = pytest.mark.anyio


class ListedLog:
    """A log in a list. full: nothing more fits."""

    def __init__(self) -> None:
        self.kept: list[Event | bytes] = []
        self.waiting: list[Event | bytes] = []
        self.full = False
        self.closed = False

    def write(self, data: bytes) -> None:
        self.waiting.append(data)

    def mark(self, text: str) -> None:
        self.waiting.append(from_text(text))

    def flush(self) -> None:
        if self.full:
            raise PermanentError("full")
        self.kept += self.waiting
        self.waiting.clear()

    def close(self) -> LogSummary:
        self.flush()
        self.closed = True
        return self.summary()

    def summary(self) -> LogSummary:
        return LogSummary("0" * 32, 0, 0, 0, "", self.closed)


EVENTS: list[Event] = [
    PhaseStarted("setup", 1.0),
    CommandStarted(1, "make", 1.0),
    Output(b"made\n"),
    CommandEnded(1, 0, 0.5),
    PhaseEnded("setup", 1.5, ok=True),
]
KEPT = [event.data if isinstance(event, Output) else event for event in EVENTS]


async def test_everything_is_told_and_kept_in_order() -> None:
    log, heard = ListedLog(), list[Event]()
    async with logged(Watcher(heard.append), log) as watcher:
        for event in EVENTS:
            watcher.emit(event)
    assert heard == EVENTS
    assert log.kept == KEPT
    assert log.closed


async def test_it_is_kept_soon_also_when_nothing_follows() -> None:
    log = ListedLog()
    async with logged(Watcher(list[Event]().append), log) as watcher:
        watcher.emit(Output(b"Waiting for the tests"))
        await asyncio.sleep(LATEST * 1.5)
        assert log.kept == [b"Waiting for the tests"]


async def test_the_log_is_closed_when_the_build_breaks_off() -> None:
    log = ListedLog()
    with pytest.raises(asyncio.CancelledError):
        async with logged(Watcher(list[Event]().append), log) as watcher:
            watcher.emit(EVENTS[0])
            raise asyncio.CancelledError
    assert log.kept == KEPT[:1]
    assert log.closed


async def test_a_log_that_cannot_be_kept_is_told_once_and_the_end_still_heard() -> None:
    log, heard = ListedLog(), list[Event]()
    log.full = True
    async with logged(Watcher(heard.append), log) as watcher:
        watcher.emit(EVENTS[0])
        await asyncio.sleep(LATEST * 1.5)
        with pytest.raises(PermanentError, match="full"):
            watcher.emit(EVENTS[1])
        for event in EVENTS[2:]:
            watcher.emit(event)
    assert heard == EVENTS
    assert log.kept == []


async def test_a_log_that_cannot_be_closed_is_told() -> None:
    log = ListedLog()
    log.full = True
    with pytest.raises(PermanentError, match="full"):
        async with logged(Watcher(list[Event]().append), log) as watcher:
            watcher.emit(EVENTS[0])
