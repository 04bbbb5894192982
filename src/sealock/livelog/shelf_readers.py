"""Logs that are open: one for each person and log, for a short while, so that whoever pages through a log has
the keeper asked once and not for each page.

One is closed, and its key forgotten, when nobody has had it for `LINGER` seconds; after `LIFE` seconds
whoever comes anew has the keeper asked anew. There are never more than `MOST`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar

from sealock.core.errors import TemporaryError
from sealock.core.log import LogReader
from sealock.core.log_pages import LogOutline

T = TypeVar("T")

LINGER = 60.0
LIFE = 300.0
"""Seconds."""

MOST = 400
MOST_OF_ONE = 40
"""Open at once, and of one person. What nobody has right now makes room first."""


class Closed(Exception):
    """It was closed while somebody had it."""


class OwnReader:
    """A reader for one thread at a time. `close` waits for nobody: a thread that reads closes behind itself,
    and one that was to begin, and does not any more, leaves nothing open."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._lock = Lock()
        self._is_closed = False

    def use(self, work: Callable[[LogReader], T]) -> T:
        """What `work` makes of it. Closed."""
        try:
            with self._lock:
                if self._is_closed:
                    raise Closed
                return work(self._reader)
        finally:
            if self._is_closed:
                self.close()

    def close(self) -> None:
        """May be called twice."""
        self._is_closed = True
        if self._lock.acquire(blocking=False):
            try:
                self._reader.__exit__(None, None, None)
            finally:
                self._lock.release()


@dataclass(frozen=True)
class Key:
    """Who reads which log."""

    account: str
    project: str
    run: str
    person: str


Open = Callable[[Key], Awaitable[LogReader]]


class Opened:
    """A log that is open, or about to be. users: who have it now. outline: of a log that is complete, once it
    was made."""

    def __init__(self, key: Key, begun: float) -> None:
        self.key, self.begun = key, begun
        self.users = 0
        self.timer: asyncio.TimerHandle | None = None
        self.outline: LogOutline | None = None
        self._reader: LogReader | None = None
        self._is_closed = False
        self._turn = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        """It was opened, and not closed."""
        return self._reader is not None

    def again(self) -> LogReader:
        """A reader for one thread, which that closes. Closed."""
        if self._reader is None:
            raise Closed
        return self._reader.again()

    async def open(self, open_reader: Open) -> None:
        """Return once it is open; one opens it for all who wait. Closed."""
        async with self._turn:
            if self._reader is None and not self._is_closed:
                self._reader = await open_reader(self.key)
            if self._is_closed:
                self.close()
                raise Closed

    def close(self) -> None:
        """Forget the key. Threads that read end first. May be called twice."""
        self._is_closed, self.outline = True, None
        if self.timer is not None:
            self.timer.cancel()
        if self._reader is not None:
            self._reader.__exit__(None, None, None)
            self._reader = None


class Readers:
    """open_reader: by asking the keeper."""

    def __init__(
        self,
        open_reader: Open,
        *,
        most: int = MOST,
        most_of_one: int = MOST_OF_ONE,
        linger: float = LINGER,
        life: float = LIFE,
    ) -> None:
        self._open_reader = open_reader
        self._most, self._most_of_one = most, most_of_one
        self._linger, self._life = linger, life
        self._all: dict[Opened, None] = {}  # in the order they were begun
        self._current: dict[Key, Opened] = {}

    @asynccontextmanager
    async def opened(self, key: Key) -> AsyncIterator[Opened]:
        """The log, open, while the block runs. TemporaryError if too many are; Closed; what opening one
        raises."""
        opened = self._of(key)
        opened.users += 1
        if opened.timer is not None:
            opened.timer.cancel()
        try:
            await opened.open(self._open_reader)
            yield opened
        finally:
            opened.users -= 1
            if not opened.users:
                self._let_go(opened)

    def drop(self, run: str) -> None:
        """Close this log, whoever has it."""
        for opened in [each for each in self._all if each.key.run == run]:
            self._close(opened)

    def close(self) -> None:
        """Close every log, whoever has it."""
        for opened in list(self._all):
            self._close(opened)

    def __len__(self) -> int:
        return len(self._all)

    def _of(self, key: Key) -> Opened:
        opened, now = self._current.get(key), asyncio.get_running_loop().time()
        if opened is not None and now - opened.begun < self._life:
            return opened
        if opened is not None:
            del self._current[key]
            if not opened.users:
                self._close(opened)
        self._make_room(key.person)
        self._current[key] = new = Opened(key, now)
        self._all[new] = None
        return new

    def _make_room(self, person: str) -> None:
        for most, of in ((self._most_of_one, person), (self._most, None)):
            those = [each for each in self._all if of is None or each.key.person == of]
            if len(those) >= most:
                unused = next((each for each in those if not each.users), None)
                if unused is None:
                    raise _too_many()
                self._close(unused)

    def _let_go(self, opened: Opened) -> None:
        if opened.is_open and self._current.get(opened.key) is opened:
            loop = asyncio.get_running_loop()
            opened.timer = loop.call_later(self._linger, self._close, opened)
        else:
            self._close(opened)

    def _close(self, opened: Opened) -> None:
        self._all.pop(opened, None)
        if self._current.get(opened.key) is opened:
            del self._current[opened.key]
        opened.close()


def _too_many() -> TemporaryError:
    return TemporaryError(
        "too many logs are open",
        resolution="Close some of the pages that follow a build, or try again in a minute.",
    )
