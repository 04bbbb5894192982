"""Requests that two websites count together, and what becomes of that when Redis is away."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sealock.core.decision import Allowed
from sealock.core.secret import Secret
from sealock.store.redis.address import server_of
from sealock.store.redis.rates import shared_counts
from sealock.web.rates import AWAY, Rate, Rates, TooOften
from tests.support.certificates import make_certificate
from tests.support.database_proxy import proxy
from tests.support.redis import RedisProcess, redis_process

pytestmark = pytest.mark.anyio

RATE = Rate("sign-in", "6/minute", "4/minute")


@pytest.fixture
def redis() -> Iterator[RedisProcess]:
    with redis_process() as made:
        yield made


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def two(redis: RedisProcess) -> AsyncIterator[tuple[Rates, Rates, Clock]]:
    """Two websites."""
    clock = Clock()
    async with shared_counts(redis.server) as here, shared_counts(redis.server) as there:
        yield Rates(here, clock), Rates(there, clock), clock


async def test_two_websites_count_together(two: tuple[Rates, Rates, Clock]) -> None:
    one, other, _ = two
    answers = [bool(await site.count(RATE, "192.0.2.1", "ada")) for site in (one, other) * 3]
    assert answers == [True] * 4 + [False] * 2
    refused = await one.count(RATE, "192.0.2.1", "ada")
    assert isinstance(refused, TooOften)
    assert 0 < refused.retry_after <= 61
    assert await other.count(RATE, "192.0.2.2", "ada") == Allowed()


async def test_many_that_come_at_once_are_all_counted(two: tuple[Rates, Rates, Clock]) -> None:
    one, other, _ = two
    answers = await asyncio.gather(*(site.count(RATE, "192.0.2.1") for site in (one, other) * 100))
    assert sum(map(bool, answers)) == 6


async def test_while_redis_is_away_the_website_goes_on_and_still_counts(
    redis: RedisProcess, two: tuple[Rates, Rates, Clock]
) -> None:
    one, _, clock = two
    assert await one.count(RATE, "192.0.2.1", "ada")
    redis.kill()
    answers = [bool(await one.count(RATE, "192.0.2.1", "ada")) for _ in range(8)]
    assert answers == [True] * 4 + [False] * 4, "guessing has an end all the same"
    redis.start()
    assert not await one.count(RATE, "192.0.2.1", "ada"), "it is not asked again at once"
    clock.now += AWAY
    assert await one.count(RATE, "192.0.2.1", "ada"), "what Redis had was only there for the counting"
    assert len(await _keys(redis)) > 0


async def test_a_redis_that_does_not_answer_delays_a_few_requests_and_not_each(
    redis: RedisProcess, two: tuple[Rates, Rates, Clock]
) -> None:
    one, _, _ = two
    assert redis._server is not None
    redis._server.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    await asyncio.gather(*(one.count(RATE, f"192.0.2.{number}") for number in range(50)))
    assert time.monotonic() - begun < 30
    begun = time.monotonic()
    await asyncio.gather(*(one.count(RATE, f"192.0.2.{number}") for number in range(50)))
    assert time.monotonic() - begun < 2


async def test_neither_addresses_nor_names_pass_in_the_clear_nor_lie_there(
    redis: RedisProcess, two: tuple[Rates, Rates, Clock]
) -> None:
    async with proxy(redis.port) as between:
        server = redis.server
        server.options["port"] = between.port
        async with shared_counts(server) as counts:
            assert await Rates(counts).count(RATE, "192.0.2.77", "ada@team.example")
    assert len(between.heard) > 100
    assert b"192.0.2.77" not in between.heard
    assert not any(b"ada" in key for key in await _keys(redis))


@pytest.mark.parametrize("kind", ["another authority", "the system's", "another password"])
async def test_one_that_does_not_show_who_it_is_counts_nothing(
    redis: RedisProcess, tmp_path: Path, kind: str
) -> None:
    authority, _, _ = make_certificate(tmp_path)
    server = {
        "another authority": lambda: server_of(redis.url, authority),
        "the system's": lambda: server_of(redis.url),
        "another password": lambda: server_of(
            Secret(redis.url.reveal().replace(b"horse", b"house")), redis.authority
        ),
    }[kind]()
    async with shared_counts(server) as counts:
        rates = Rates(counts)
        answers = [bool(await rates.count(RATE, "192.0.2.1", "ada")) for _ in range(6)]
    assert answers == [True] * 4 + [False] * 2
    assert await _keys(redis) == []


async def test_every_count_ends_by_itself(redis: RedisProcess) -> None:
    async with shared_counts(redis.server) as counts:
        await Rates(counts).count(RATE, "192.0.2.1", "ada")
    client = redis.server.client()
    keys = await _keys(redis)
    assert len(keys) == 2
    for key in keys:
        assert 0 < await client.ttl(key) <= 61
    await client.aclose()


async def _keys(redis: RedisProcess) -> list[bytes]:
    client = redis.server.client()
    try:
        return [key async for key in client.scan_iter()]
    finally:
        await client.aclose()
