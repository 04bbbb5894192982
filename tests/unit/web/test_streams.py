"""Streams that stay open end with their reader, with their source and with the website."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing
from typing import Any

import anyio
import pytest

from sealock.web.streams import Streams


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_person_holds_so_many_streams_and_no_more() -> None:
    """The attack: to hold ever more, each of which is a connection and a place in the queue of wake-ups."""
    streams = Streams(most=2)
    with ExitStack() as held:
        assert [held.enter_context(streams.seat("ada")) for _ in range(4)] == [True, True, False, False]
        assert held.enter_context(streams.seat("ben")), "another's are their own"
    with ExitStack() as held:
        assert [held.enter_context(streams.seat("ada")) for _ in range(3)] == [True, True, False]


def test_a_reader_that_goes_while_the_source_ends_leaves_nothing_behind() -> None:
    async def once(before: int, between: int) -> None:
        streams, gate = Streams(), asyncio.Event()

        async def source() -> AsyncIterator[int]:
            yield 1
            await gate.wait()

        async def read() -> None:
            async for _ in streams.follow(source()):
                pass

        reader = asyncio.create_task(read())
        await turns(2 + before)
        gate.set()
        await turns(between)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)

    async def scenario() -> None:
        trouble: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, told: trouble.append(told))
        for before, between in itertools.product(range(5), range(6)):
            await once(before, between)
        gc.collect()
        await turns(1)
        assert trouble == []

    asyncio.run(scenario())


def test_every_stream_ends_with_the_website() -> None:
    async def scenario() -> None:
        streams = Streams()

        async def source() -> AsyncIterator[int]:
            yield 1
            await asyncio.Event().wait()

        async def read() -> list[int]:
            return [each async for each in streams.follow(source())]

        reader = asyncio.create_task(read())
        await turns(5)
        streams.end()
        assert await asyncio.wait_for(reader, 60) == [1]

    asyncio.run(scenario())


@pytest.mark.anyio
async def test_a_reader_who_goes_away_ends_the_source_in_peace() -> None:
    """Servers cancel a scope for that, in which each wait of the cleaning up is cancelled anew."""
    closed: list[str] = []

    async def source() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(60)
        finally:
            with anyio.CancelScope(shield=True):
                await asyncio.sleep(0.05)
            closed.append("source")

    async def read() -> None:
        async with aclosing(Streams().follow(source())) as told:
            async for _ in told:
                pass

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await asyncio.sleep(0.05)
        group.cancel_scope.cancel()
    assert closed == ["source"]
