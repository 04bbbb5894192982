"""That a worker is at a build, said for as long as it has it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sealock.builds.queueing import hold
from sealock.core.queue import Beat

PAUSE = 0.25
"""Seconds between two tries while the website is away."""


class Beats:
    """Of one attempt. beat: says it; the website may hold its answer back for so many seconds. lease: seconds
    without one that was answered.

    The lease counts from the last beat that was answered. So after one that was not, the next is to be
    answered at once: else a website that was away for a moment would hold its answer back until the lease had
    ended, and a build would be given up that nobody else could have had.
    """

    def __init__(self, beat: Callable[[float], Awaitable[Beat]], lease: float) -> None:
        self._beat, self._lease = beat, lease
        self._answered = True

    async def until_told(self) -> Beat:
        """`cancel` or `lost`, never `ok` (`builds.queueing.hold`)."""
        return await hold(self._say, self._pause, self._lease)

    async def _say(self) -> Beat:
        wait = self._lease / 3 if self._answered else 0.0
        self._answered = False
        answer = await self._beat(wait)
        self._answered = True
        return answer

    async def _pause(self, seconds: float) -> None:
        """Answers are held back, so there is nothing to wait for unless there was none."""
        if not self._answered:
            await asyncio.sleep(min(seconds, PAUSE))
