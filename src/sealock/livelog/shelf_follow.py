"""Follows the log of an attempt for one reader: woken when there is more, and looking every second all the
same, until the log has ended, or the attempt has and left a log without an end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable

from anyio import CapacityLimiter, to_thread

from sealock.core.log import LogReader, LogRemoval, was_removed
from sealock.core.log_pages import LogUpdate, Running, log_topic
from sealock.core.queue import SAFETY_POLL, Subscription, Wakeups
from sealock.livelog.pages_follow import Follower
from sealock.livelog.shelf_readers import OwnReader
from sealock.livelog.shelf_shapes import updates_of

LOOK = 1.0
"""Seconds until the next look, if no wake-up comes."""


class Polled:
    """A follower over a reader that is its own."""

    def __init__(
        self,
        reader: OwnReader,
        removal: Callable[[], LogRemoval | None],
        last_id: str | None,
        first: int,
    ) -> None:
        self._reader, self._removal = reader, removal
        self._last_id, self._first = last_id, first
        self._follower: Follower | None = None

    def poll(self) -> tuple[list[LogUpdate], bool, bool]:
        """What came, whether there is more at once, and whether it was the last. UsageError for an id that
        cannot be, or a log that was removed."""
        return self._reader.use(self._poll)

    def close(self) -> None:
        """May be called twice."""
        self._reader.close()

    def _poll(self, reader: LogReader) -> tuple[list[LogUpdate], bool, bool]:
        if (gone := self._removal()) is not None:
            raise was_removed(gone)
        if self._follower is None:
            self._follower = Follower(reader, self._last_id, first=self._first)
        found = updates_of(self._follower.poll())
        return found, self._follower.is_behind, self._follower.is_done


class Following:
    """One reader that follows. begin: a `Polled`, None while there is no log yet."""

    def __init__(
        self,
        begin: Callable[[], Awaitable[Polled | None]],
        run: str,
        running: Running | None,
        wakeups: Wakeups,
        threads: CapacityLimiter,
    ) -> None:
        self._begin = begin
        self._running = running
        self._wakeups = wakeups
        self._threads = threads
        self._topics = [log_topic(run), *([running.topic] if running else [])]
        self._polled: Polled | None = None
        self._waited = SAFETY_POLL  # seconds since it was asked whether the attempt is over

    async def updates(self) -> AsyncGenerator[list[LogUpdate], None]:
        """What comes, as it comes."""
        try:
            async with self._wakeups.subscribe(*self._topics) as told:
                was_over = False
                while True:
                    found, is_behind, is_done = await self._look()
                    if found:
                        yield found
                    if is_done or (was_over and not is_behind):
                        return
                    if not is_behind:
                        was_over = await self._is_over(told)
        finally:
            if self._polled is not None:
                self._polled.close()

    async def _look(self) -> tuple[list[LogUpdate], bool, bool]:
        if self._polled is None:
            self._polled = await self._begin()
        if self._polled is None:
            return [], False, False
        return await to_thread.run_sync(self._polled.poll, limiter=self._threads)

    async def _is_over(self, told: Subscription) -> bool:
        """Wait, then say whether the attempt is over; one more look is to follow, since what was sent last
        may have come in between. It is asked when something was told, else every few seconds."""
        if self._running is None:
            return True
        is_told = await told.wait(LOOK)
        self._waited += LOOK
        if not (is_told or self._waited >= SAFETY_POLL):
            return False
        self._waited = 0.0
        return await self._running.is_over()
