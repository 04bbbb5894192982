"""One set of tests over every way to wake who waits: within one process, by PostgreSQL, by Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from sealock.core.queue import WORK, Subscription, Wakeups, stop_topic
from sealock.store.database.engine import open_database
from sealock.store.queue.postgres_wakeups import postgres_wakeups
from sealock.store.queue.wakeups import LocalWakeups
from sealock.store.redis.wakeups import redis_wakeups
from tests.support.redis import RedisProcess, redis_process, settled

pytestmark = pytest.mark.anyio

Pair = tuple[Wakeups, Wakeups]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisProcess]:
    with redis_process() as made:
        yield made


@pytest.fixture(
    params=[
        "local",
        pytest.param("postgres", marks=pytest.mark.slow),
        pytest.param("redis", marks=pytest.mark.slow),
    ]
)
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """As two websites have them; within one process it is the same twice."""
    async with AsyncExitStack() as stack:
        if request.param == "local":
            local = LocalWakeups()
            yield local, local
        elif request.param == "postgres":
            url = stack.enter_context(request.getfixturevalue("postgres").database())
            databases = [await stack.enter_async_context(open_database(url)) for _ in range(2)]
            made = [await stack.enter_async_context(postgres_wakeups(each)) for each in databases]
            yield made[0], made[1]
        else:
            server = request.getfixturevalue("redis").server
            said = [await stack.enter_async_context(redis_wakeups(server, print)) for _ in range(2)]
            await settled(*said)
            yield said[0], said[1]


async def test_whoever_waits_for_a_topic_is_woken_by_it_at_once(pair: Pair) -> None:
    teller, hearer = pair
    async with hearer.subscribe(WORK) as work, hearer.subscribe(stop_topic("w")) as stop:
        assert min([await _seconds_to_wake(teller, work) for _ in range(5)]) < 1, "whatever a busy host does"
        assert not await stop.wait(0.2)
        await teller.tell(stop_topic("w"))
        assert await stop.wait(60)
        assert not await work.wait(0.2)


async def _seconds_to_wake(teller: Wakeups, work: Subscription) -> float:
    begun = time.monotonic()
    await teller.tell(WORK)
    assert await work.wait(60)
    return time.monotonic() - begun


async def test_what_was_told_before_the_wait_is_not_lost(pair: Pair) -> None:
    teller, hearer = pair
    async with hearer.subscribe(WORK) as work:
        await teller.tell(WORK)
        await teller.tell(WORK)
        await settled(*pair)
        assert await work.wait(0)
        assert not await work.wait(0.2), "once, however often it was told"


async def test_what_was_told_before_one_came_is_not_ones_own(pair: Pair) -> None:
    teller, hearer = pair
    await teller.tell(WORK)
    await settled(*pair)
    async with hearer.subscribe(WORK) as work:
        assert not await work.wait(0.2)


async def test_all_who_wait_are_woken_for_any_of_their_topics(pair: Pair) -> None:
    teller, hearer = pair
    async with hearer.subscribe(WORK, "build:1") as one, hearer.subscribe("build:1") as other:
        for topic, is_told in (("build:1", True), (WORK, False)):
            await teller.tell(topic)
            assert await one.wait(60)
            assert await other.wait(0.2) is is_told


async def test_who_tells_wakes_those_beside_it_as_well(pair: Pair) -> None:
    teller, _ = pair
    async with teller.subscribe(WORK) as work:
        await teller.tell(WORK)
        assert await work.wait(0)


async def test_any_text_is_a_topic(pair: Pair) -> None:
    teller, hearer = pair
    for topic in ("build:" + "a" * 100, "two words", "a'b\"c\\d", "ünïcode"):
        async with hearer.subscribe(topic) as told:
            await teller.tell(topic)
            assert await told.wait(60), topic


async def test_many_topics_at_once(pair: Pair) -> None:
    teller, hearer = pair
    async with AsyncExitStack() as stack:
        waiting = [await stack.enter_async_context(hearer.subscribe(f"build:{n}")) for n in range(200)]
        for number in range(200):
            await teller.tell(f"build:{number}")
        assert all(await asyncio.gather(*(each.wait(60) for each in waiting)))
