"""A worker that waits for a build, and keeps it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from sealock.builds.queueing import next_claim, until_told
from sealock.core.errors import TemporaryError
from sealock.core.queue import Beat, Claim, Fence, Patience
from sealock.store.queue.memory import MemoryQueue
from tests.support.leaping import leaping
from tests.support.queue import AroundMemory

LEASE = 9.0


async def surroundings() -> AroundMemory:
    made = AroundMemory()
    made.memory = made.queue = MemoryQueue(made.wakeups, Patience(lease=LEASE), time.monotonic)
    await made.account("one")
    await made.worker("w")
    return made


def by_a_leaping_clock(test: Callable[[AroundMemory], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """The test, in which nothing but waiting takes time."""

    async def work() -> None:
        await test(await surroundings())

    def run() -> None:
        leaping(work())

    return run


@by_a_leaping_clock
async def test_who_waits_has_the_build_at_once(around: AroundMemory) -> None:
    waiting = asyncio.create_task(next_claim(around.queue, around.wakeups, "w"))
    await asyncio.sleep(0.01)
    begun = time.monotonic()
    await around.add("a")
    assert (await waiting).fence == Fence("a", 1, "w")
    assert time.monotonic() == begun


@by_a_leaping_clock
async def test_a_wake_up_that_was_lost_costs_one_poll(around: AroundMemory) -> None:
    elsewhere = AroundMemory().wakeups
    waiting = asyncio.create_task(next_claim(around.queue, elsewhere, "w", poll=0.05))
    await asyncio.sleep(0.01)
    await around.add("a")
    assert (await waiting).fence.build == "a"


@by_a_leaping_clock
async def test_a_build_is_kept_by_beats_for_longer_than_a_lease(around: AroundMemory) -> None:
    await around.add("a")
    claim = await around.queue.claim("w")
    assert claim is not None
    told = asyncio.create_task(until_told(around.queue, around.wakeups, claim))
    await asyncio.sleep(2 * LEASE)
    assert await around.queue.put_back() == 0
    assert not told.done()
    begun = time.monotonic()
    await around.queue.cancel("a", "Ada asked")
    assert await told is Beat.CANCEL
    assert time.monotonic() == begun, "it was woken, and did not wait for its next beat"


@by_a_leaping_clock
async def test_a_lost_lease_is_told(around: AroundMemory) -> None:
    claim = Claim(Fence("nothing", 1, "w"), "one", "one", LEASE)
    assert await until_told(around.queue, around.wakeups, claim) is Beat.LOST


class Away(MemoryQueue):
    """Cannot be reached."""

    beats = 0

    async def beat(self, fence: Fence) -> Beat:
        self.beats += 1
        raise TemporaryError("the database did not answer")


@by_a_leaping_clock
async def test_who_cannot_reach_the_queue_for_a_lease_has_lost_the_build(around: AroundMemory) -> None:
    away = Away(around.wakeups)
    claim = Claim(Fence("a", 1, "w"), "one", "one", LEASE)
    begun = time.monotonic()
    async with asyncio.timeout(60):
        assert await until_told(away, around.wakeups, claim) is Beat.LOST
    assert LEASE <= time.monotonic() - begun < LEASE + 0.1
    assert away.beats >= 3, "it tried again meanwhile"
