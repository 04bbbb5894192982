"""A log opened for one person. Whatever is slow about it runs in a thread, over a reader of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from sealock.core.errors import TemporaryError
from sealock.core.log import Found, Line, LogReader, LogRemoval, LogSummary, Mark, was_removed
from sealock.core.log_pages import LogHits, LogOutline, LogPage, LogUpdate, Running
from sealock.core.queue import Wakeups
from sealock.livelog import shelf_shapes
from sealock.livelog.outline import outline_of
from sealock.livelog.search import Search
from sealock.livelog.shelf_follow import Following, Polled
from sealock.livelog.shelf_readers import Closed, Opened, OwnReader

T = TypeVar("T")

PIECE = 1 << 20
"""Bytes of a download that are made at once, or a little more."""


@dataclass(frozen=True)
class Threads:
    """quick: for what reads a page or two. slow: for what may read all of a log."""

    quick: CapacityLimiter
    slow: CapacityLimiter


class NothingYet:
    """The log of an attempt that has not begun (`core.log.LogReader`)."""

    lines = 0
    complete = False

    def refresh(self) -> None:
        """There is nothing to look at."""

    def again(self) -> NothingYet:
        return self

    def read(self, first: int, count: int) -> list[Line]:
        return []

    def piece(self, number: int) -> bytes | None:
        return None

    def outline(self) -> bytes:
        return b""

    def marks(self, most: int | None = None) -> list[Mark]:
        return []

    def search(
        self, text: str, *, first: int = 1, limit: int = 1000, ignore_case: bool = False
    ) -> list[Found]:
        return Search(text, first=first, limit=limit, ignore_case=ignore_case).found

    def summary(self) -> LogSummary:
        raise ValueError("there is no log yet")

    def __enter__(self) -> NothingYet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""


class ShelvedLog:
    """A `core.log_pages.OpenLog`. get: the open log, None while there is none. removal: of this log."""

    def __init__(
        self,
        run: str,
        running: Running | None,
        *,
        get: Callable[[], Awaitable[Opened | None]],
        removal: Callable[[], LogRemoval | None],
        wakeups: Wakeups,
        threads: Threads,
    ) -> None:
        self._run, self._running = run, running
        self._get, self._removal = get, removal
        self._wakeups = wakeups
        self._threads = threads

    async def page(self, number: int) -> LogPage:
        """UsageError for a page that is not there."""
        return await self._use(lambda reader: shelf_shapes.page_of(reader, number))

    async def outline(self) -> LogOutline:
        """Its groups, notes and failing line. Of a log that is complete it is looked up once."""
        opened = await self._get()
        if opened is not None and opened.outline is not None:
            return opened.outline
        found = await self._use(outline_of)
        if opened is not None and found.complete and opened.is_open:
            opened.outline = found
        return found

    async def search(self, text: str, *, first: int = 1, ignore_case: bool = True) -> LogHits:
        """A few hits from number `first` on. UsageError for a text that cannot be searched for."""
        return await self._use(
            lambda reader: shelf_shapes.hits_of(reader, text, first, ignore_case), is_slow=True
        )

    async def text(self, first: int, last: int | None, *, colours: bool, times: bool) -> bytes:
        """Lines as text. UsageError for too many at once."""
        make = partial(shelf_shapes.text_of, first=first, last=last, colours=colours, times=times)
        return await self._use(make, is_slow=True)

    async def raw(self) -> AsyncIterator[bytes]:
        """All there is of it now, as it was printed."""
        number, ending = 0, b"\n"
        while (found := await self._use(partial(_as_printed, number=number)))[0]:
            piece, number = found
            ending = piece[-1:]
            yield piece
        if ending != b"\n":
            yield b"\n"

    async def follow(self, last_id: str | None, *, first: int = 1) -> AsyncIterator[Sequence[LogUpdate]]:
        """What comes, as it comes."""

        async def begin() -> Polled | None:
            opened = await self._get()
            return (
                None
                if opened is None
                else Polled(OwnReader(self._again(opened)), self._removal, last_id, first)
            )

        following = Following(begin, self._run, self._running, self._wakeups, self._threads.quick)
        updates = following.updates()
        try:
            async for found in updates:
                yield found
        finally:
            await updates.aclose()

    async def _use(self, work: Callable[[LogReader], T], *, is_slow: bool = False) -> T:
        opened = await self._get()
        own = OwnReader(NothingYet() if opened is None else self._again(opened))
        limiter = self._threads.slow if is_slow else self._threads.quick
        try:
            return await to_thread.run_sync(own.use, partial(self._look, work=work), limiter=limiter)
        finally:
            own.close()

    def _look(self, reader: LogReader, work: Callable[[LogReader], T]) -> T:
        if (gone := self._removal()) is not None:
            raise was_removed(gone)
        reader.refresh()
        return work(reader)

    def _again(self, opened: Opened) -> LogReader:
        try:
            return opened.again()
        except Closed as error:
            if (gone := self._removal()) is not None:
                raise was_removed(gone) from error
            raise TemporaryError(
                "the log was closed meanwhile", resolution="Load the page again in a moment."
            ) from error


def _as_printed(reader: LogReader, number: int) -> tuple[bytes, int]:
    """Output from piece `number` on, and the number of what is behind it. Empty at the end."""
    found = bytearray()
    while len(found) < PIECE and (piece := reader.piece(number)) is not None:
        found += piece
        number += 1
    return bytes(found), number
