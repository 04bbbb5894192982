"""The ring that a console is read into: bounded, whatever comes, and nothing stops whoever writes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from io import FileIO

import pytest

from sealock.machines.console import KEPT, Ring

pytestmark = pytest.mark.anyio


@pytest.fixture
async def pipe() -> AsyncIterator[tuple[FileIO, FileIO]]:
    reading, writing = os.pipe()
    with FileIO(reading, "rb") as out, FileIO(writing, "wb") as into:
        yield out, into


async def test_a_flood_leaves_its_end(pipe: tuple[FileIO, FileIO]) -> None:
    out, into = pipe
    ring = Ring(out)
    sent = await asyncio.to_thread(_flood, into)
    await asyncio.sleep(0.05)
    into.close()
    ring.drain()
    assert sent == 20 << 20
    assert len(ring.text()) <= KEPT
    assert ring.text().endswith("xthe last words")


def _flood(into: FileIO) -> int:
    sent = 0
    for _ in range(20 * 16):
        sent += into.write(b"x" * 65536) or 0
    into.write(b"the last words")
    return sent


async def test_bytes_that_are_no_text_are_shown_as_such(pipe: tuple[FileIO, FileIO]) -> None:
    out, into = pipe
    ring = Ring(out)
    into.write(b"panic\r\n\xff\xfe\x00end")
    into.close()
    ring.drain()
    assert ring.text() == "panic\n\ufffd\ufffd\x00end"


async def test_draining_twice_or_with_nothing_there_is_no_trouble(pipe: tuple[FileIO, FileIO]) -> None:
    ring = Ring(pipe[0])
    ring.drain()
    ring.drain()
    assert ring.text() == ""


async def test_an_end_stops_the_reading(pipe: tuple[FileIO, FileIO]) -> None:
    ring = Ring(pipe[0])
    pipe[1].write(b"bye")
    pipe[1].close()
    await asyncio.sleep(0.05)
    assert ring.text() == "bye"
    assert not asyncio.get_running_loop().remove_reader(pipe[0].fileno())
