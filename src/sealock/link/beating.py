"""That a worker is at a build, said for as long as it has it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sealock.builds.queueing import hold
from sealock.core.queue import Beat

PAUSE = 0.25
"""Seconds between two tries while the website is away."""


class Beats:
    """Of one attempt. beat: says it; the website may hold its answer back for so many seconds. lease, away:
    seconds without one that was answered, after which nobody waits for us and we for nobody.

    Whether the website is away or only out of our reach cannot be told from here. So the build goes on beyond
    the lease: another may have it by then, but what we say of it then is not taken, by our fence.

    The lease counts from the last beat that was answered. So after one that was not, the next is to be
    answered at once: else a website that was away for a moment would hold its answer back until the lease had
    ended, and put back a build that its worker has.
    """

    def __init__(self, beat: Callable[[float], Awaitable[Beat]], lease: float, away: float = 0.0) -> None:
        self._beat, self._lease, self._away = beat, lease, away
        self._answered = True

    async def until_told(self) -> Beat:
        """`cancel` or `lost`, never `ok` (`builds.queueing.hold`)."""
        return await hold(self._say, self._pause, self._lease, self._away)

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
