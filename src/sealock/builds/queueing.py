"""How a worker waits for a build, and how it keeps the one it has.

`next_claim` sleeps until it is woken, and looks every few seconds all the same. `until_told` runs beside the
build for as long as the worker has it; its answer ends the build.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from sealock.core.errors import TemporaryError
from sealock.core.queue import SAFETY_POLL, WORK, Beat, Claim, Queue, Wakeups, stop_topic


async def next_claim(queue: Queue, wakeups: Wakeups, worker: str, *, poll: float = SAFETY_POLL) -> Claim:
    """The next build of this worker, whenever there is one. poll: seconds. TemporaryError if the queue cannot
    be reached."""
    async with wakeups.subscribe(WORK) as work:  # before the first look, or a build between would be missed
        while True:
            claim = await queue.claim(worker)
            if claim is not None:
                return claim
            await work.wait(poll)


async def until_told(queue: Queue, wakeups: Wakeups, claim: Claim) -> Beat:
    """Beat for as long as the build is this worker's; then `cancel` or `lost`, never `ok`. Who cannot reach
    the queue for as long as the claim says gives it up."""
    async with wakeups.subscribe(stop_topic(claim.fence.worker)) as stop:
        return await hold(lambda: queue.beat(claim.fence), stop.wait, claim.lease, claim.away)


async def hold(
    beat: Callable[[], Awaitable[Beat]],
    pause: Callable[[float], Awaitable[object]],
    lease: float,
    away: float = 0.0,
) -> Beat:
    """The same, with what it takes: how to beat, and how to wait for so many seconds, or fewer if there is
    reason to beat at once. lease, away: seconds, as a claim has them."""
    kept_until = time.monotonic() + lease + away
    while True:
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(min(lease, max(0.0, kept_until - asked_at))):
                answer = await beat()
        except (TemporaryError, TimeoutError):
            answer = Beat.OK if time.monotonic() < kept_until else Beat.LOST
        else:
            # From when it was asked: the queue counts from some moment after that.
            kept_until = asked_at + lease + away
        if answer is not Beat.OK:
            return answer
        await pause(min(lease / 3, max(0.0, kept_until - time.monotonic())))
