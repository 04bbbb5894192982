"""Logs as a person reads them, for the website (`core.log_pages.LogShelf`).

The keeper opens a log's key for this very person and writes it down. What is open lies here for a short
while, in memory; neither a page nor an index of what is in a log is kept anywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from anyio import CapacityLimiter

from sealock.core.errors import TemporaryError, UsageError
from sealock.core.log import LogReader, LogRemoval, MemberLogs, was_removed
from sealock.core.log_pages import Running, log_topic
from sealock.core.queue import Wakeups
from sealock.core.sealed import Owner
from sealock.livelog.shelf_open import ShelvedLog, Threads
from sealock.livelog.shelf_readers import Closed, Key, Opened, Readers

QUICK, SLOW = 8, 2
"""Threads that read a page, and that read all of a log. Searches wait for one another, pages for none."""


class SealedShelf:
    """Use it as `async with`: leaving the block closes every log. readers: for tests with other bounds."""

    def __init__(self, logs: MemberLogs, wakeups: Wakeups, readers: Readers | None = None) -> None:
        self._logs = logs
        self._wakeups = wakeups
        self._threads = Threads(CapacityLimiter(QUICK), CapacityLimiter(SLOW))
        self.readers = readers or Readers(self.open_reader)

    async def __aenter__(self) -> SealedShelf:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.readers.close()

    @asynccontextmanager
    async def open(
        self, account: str, project: str, run: str, *, person: str, running: Running | None = None
    ) -> AsyncIterator[ShelvedLog]:
        """The log, for this person."""
        async with AsyncExitStack() as stack:
            getting = _Getting(self, Key(account, project, run, person), stack)
            if await getting.get() is None and running is None:
                raise no_log(run)
            removal = partial(self._logs.removal, run)
            yield ShelvedLog(
                run,
                running,
                get=getting.get,
                removal=removal,
                wakeups=self._wakeups,
                threads=self._threads,
            )

    async def remove(self, account: str, project: str, run: str, *, person: str, why: str = "") -> None:
        """Remove it for good."""
        await asyncio.to_thread(self._logs.remove, owner_of(account, project, run), run, person, why)
        self.readers.drop(run)
        await self._wakeups.tell(log_topic(run))

    async def removal(self, run: str) -> LogRemoval | None:
        """What is remembered of a log that was removed."""
        return await asyncio.to_thread(self._logs.removal, run)

    async def has_begun(self, key: Key) -> bool:
        """Whether there is something to open. UsageError if it was removed."""
        owner = owner_of(key.account, key.project, key.run)
        return await asyncio.to_thread(self._logs.has_begun, owner, key.run)

    async def open_reader(self, key: Key) -> LogReader:
        """Have the keeper open it for this person."""
        owner = owner_of(key.account, key.project, key.run)
        return await self._logs.read(owner, key.run, person=key.person)

    async def opened(self, key: Key, stack: AsyncExitStack) -> Opened:
        """It, open as long as the stack is not left."""
        try:
            return await stack.enter_async_context(self.readers.opened(key))
        except Closed as error:
            if (gone := self._logs.removal(key.run)) is not None:
                raise was_removed(gone) from error
            raise TemporaryError("the website is being stopped", resolution="Try again soon.") from error


class _Getting:
    """Opens a log once, as soon as there is one."""

    def __init__(self, shelf: SealedShelf, key: Key, stack: AsyncExitStack) -> None:
        self._shelf, self._key, self._stack = shelf, key, stack
        self._opened: Opened | None = None
        self._turn = asyncio.Lock()

    async def get(self) -> Opened | None:
        """The open log; None while there is none."""
        async with self._turn:
            if self._opened is None and await self._shelf.has_begun(self._key):
                self._opened = await self._shelf.opened(self._key, self._stack)
            return self._opened


def owner_of(account: str, project: str, run: str) -> Owner:
    """UsageError for ids that are none: nothing is there."""
    try:
        return Owner(account, project)
    except ValueError as error:
        raise no_log(run) from error


def no_log(run: str) -> UsageError:
    """What to tell whoever asks for a log that is not there."""
    return UsageError(
        f"there is no log of build {run[:40]}",
        resolution="It was removed with its project, or its worker could not begin one.",
    )
