"""Clones that have never been used and are already authenticated, so that a build starts at once.

A machine taken from the pool is anybody's for the first time: nothing but a constant text of our own has run
in it.
One that waited too long is ended and replaced. Without a pool every machine is made on demand.

Filled in advance, it stays with that kind of machine, because others are asked for only in between: each
build begins with the usual one, and goes on with another if its plan says so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from sealock.core.errors import SealockError
from sealock.core.image import Image
from sealock.core.machine import STATE_DEADLINES, MachineSpec, MachineState, Origin
from sealock.machines.guest import Guest
from sealock.machines.patience import to_the_end
from sealock.machines.rehearsal import rehearse

log = logging.getLogger(__name__)
# A build that starts goes first: on a small host the next clone would take the processor from its fetch.
REFILL_DELAY = 5.0
Make = Callable[[Image, MachineSpec], Awaitable[Guest]]


class Pool:
    """Keeps `size` guests of the spec it was filled with, else of the one that was asked for last. `make`
    makes one that is logged in to."""

    def __init__(self, size: int, make: Make) -> None:
        self._size = size
        self._make = make
        self._wanted: tuple[Image, MachineSpec] | None = None
        self._waiting: deque[Guest] = deque()
        self._filling: asyncio.Task[None] | None = None
        self._closed = False
        self._is_kept = False

    async def take(self, image: Image, spec: MachineSpec) -> Guest:
        """A guest that is the caller's alone, to be ended by them."""
        if self._size == 0:
            return await self._make(image, spec)
        if self._wanted != (image, spec):
            if self._is_kept and not self._is_newer(image, spec):
                return await self._make(image, spec)
            self._wanted = (image, spec)
            await self._drain()
        guest = await self._fresh()
        self._refill(REFILL_DELAY if guest else 0.0)
        if guest is None:
            return await self._make(image, spec)
        guest.record.origin = Origin.POOL
        return guest

    async def fill(self, image: Image, spec: MachineSpec) -> None:
        """Have the pool full of that spec before this returns, and keep it so."""
        self._wanted, self._is_kept = (image, spec), True
        self._refill(0.0)
        if self._filling is not None:
            await asyncio.shield(self._filling)

    def _is_newer(self, image: Image, spec: MachineSpec) -> bool:
        """What is kept, but for an image of the same name that was built since."""
        if self._wanted is None:
            return True
        kept_image, kept = self._wanted
        return image.name == kept_image.name and replace(kept, image=spec.image) == spec

    async def close(self) -> None:
        """End what waits and make no more."""
        self._closed = True
        if self._filling is not None:
            self._filling.cancel()
            with suppress(asyncio.CancelledError):
                await self._filling
        await self._drain()

    async def _fresh(self) -> Guest | None:
        """One that is alive and has not waited too long; the others are ended."""
        while self._waiting:
            guest = self._waiting.popleft()
            if _usable(guest):
                return guest
            await to_the_end(guest.end())
        return None

    async def _drain(self) -> None:
        while self._waiting:
            await to_the_end(self._waiting.popleft().end())

    def _refill(self, delay: float) -> None:
        if self._size and not self._closed and (self._filling is None or self._filling.done()):
            self._filling = asyncio.create_task(self._fill(delay))

    async def _fill(self, delay: float) -> None:
        await asyncio.sleep(delay)
        while self._wanted is not None and len(self._waiting) < self._size:
            wanted = self._wanted
            try:
                guest = await self._make(*wanted)
                await _warm(guest)
            except (SealockError, TimeoutError) as error:
                log.warning("The pool could not be filled: %s", error)
                return
            if wanted == self._wanted:
                self._waiting.append(guest)
            else:
                await to_the_end(guest.end())


async def _warm(guest: Guest) -> None:
    """What is slow only the first time is done before it is asked for."""
    try:
        if guest.record.acceleration == "tcg":
            await rehearse(guest.machine())
        else:
            await guest.machine().run(["true"])
        await guest.machine().start_ahead()
    except BaseException:
        await to_the_end(guest.end())
        raise


def _usable(guest: Guest) -> bool:
    limit = STATE_DEADLINES[MachineState.READY]
    _, since = guest.record.states[-1]
    return guest.record.ending is None and (limit is None or time.time() - since < limit)
