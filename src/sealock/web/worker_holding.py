"""Whether a worker has the build it speaks of, and what the server knows of that build.

Logs and progress come several times a second, so that who was found to have a build is believed for some
seconds. A log belongs to one attempt alone, so what comes late harms nothing; whatever ends a build, or asks
the keeper for something, is looked up each time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from starlette.exceptions import HTTPException

from sealock.core.builds import BuildRecords, Work
from sealock.core.queue import Fence

BELIEVED = 5.0
"""Seconds."""

MOST_REMEMBERED = 1024


class Holding:
    """clock: seconds, of any beginning."""

    def __init__(self, builds: BuildRecords, clock: Callable[[], float] = time.monotonic) -> None:
        self._builds, self._clock = builds, clock
        self._found: dict[Fence, tuple[float, Work]] = {}
        self._ended: dict[Fence, bytes] = {}

    async def work(self, fence: Fence) -> Work:
        """As it was found in the last seconds. 409 if the worker no longer has it."""
        found = self._found.get(fence)
        if found is not None and self._clock() < found[0] + BELIEVED:
            return found[1]
        return await self.work_now(fence)

    async def work_now(self, fence: Fence) -> Work:
        """As it is. 409 if the worker no longer has it."""
        work = await self._builds.work(fence)
        if work is None:
            self.forget(fence)
            raise lost()
        _make_room(self._found)
        self._found[fence] = self._clock(), work
        return work

    def forget(self, fence: Fence) -> None:
        """It is not the worker's any more."""
        self._found.pop(fence, None)

    def end(self, fence: Fence, said: bytes) -> None:
        """It ended by these words."""
        self.forget(fence)
        _make_room(self._ended)
        self._ended[fence] = sha256(said).digest()

    def ended_by(self, fence: Fence, said: bytes) -> bool:
        """Whether it ended by these very words: the answer to the first time may have been lost."""
        return self._ended.get(fence) == sha256(said).digest()


def _make_room(remembered: dict[Fence, Any]) -> None:
    while len(remembered) >= MOST_REMEMBERED:
        del remembered[next(iter(remembered))]


def lost() -> HTTPException:
    """What a worker hears that no longer has the build."""
    return HTTPException(409, "You no longer have this build.")
