"""Writing never blocks whoever writes, whatever the reader does."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Iterator
from typing import IO

import pytest

from sealock.cli.writer import ENOUGH, Writer

pytestmark = pytest.mark.anyio


@pytest.fixture
def pipe() -> Iterator[tuple[int, IO[str]]]:
    """A pipe's reading end, and its writing end as a text stream."""
    read, write = os.pipe()
    stream = os.fdopen(write, "w")
    yield read, stream
    try:
        stream.close()
    except BrokenPipeError:
        pass
    finally:
        os.close(read)


async def test_everything_is_written_in_order() -> None:
    stream = io.StringIO()
    writer = Writer(stream)
    for number in range(1000):
        writer.write(f"{number}\n")
    await writer.drained()
    writer.close()
    writer.close()
    assert stream.getvalue() == "".join(f"{number}\n" for number in range(1000))


async def test_a_reader_who_does_not_read_holds_back_only_who_asks(pipe: tuple[int, IO[str]]) -> None:
    read, stream = pipe
    writer = Writer(stream)
    writer.write("x" * (ENOUGH + 200_000))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await writer.drained()
    writer.write("a heading of ours")
    taken = await asyncio.to_thread(_read, read, ENOUGH + 200_017)
    assert taken.endswith(b"xa heading of ours")
    await writer.drained()
    writer.close()


def _read(descriptor: int, length: int) -> bytes:
    taken = b""
    while len(taken) < length:
        taken += os.read(descriptor, 65536)
    return taken


async def test_a_reader_who_goes_away_is_told_and_holds_nobody_back(pipe: tuple[int, IO[str]]) -> None:
    read, stream = pipe
    writer = Writer(stream)
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    writer.on_failure = lambda: loop.call_soon_threadsafe(told.set)
    os.dup2(os.open(os.devnull, os.O_RDONLY), read)
    writer.write("x" * 3 * ENOUGH)
    async with asyncio.timeout(60):
        await told.wait()
        await writer.drained()
    assert writer.failed
    writer.write("more")
    writer.close()
