"""Work in a network namespace: it is there and nowhere else, and a cancellation leaves nothing of it."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealock.machines.namespace import inside, open_tap

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def name() -> Iterator[str]:
    made = f"test-{secrets.token_hex(4)}"
    subprocess.run(["ip", "netns", "add", made], check=True)
    yield made
    subprocess.run(["ip", "netns", "delete", made], check=True)


def here() -> int:
    return os.stat("/proc/thread-self/ns/net").st_ino  # noqa: PTH116


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_the_work_is_there_and_we_are_not(name: str) -> None:
    before = here()
    there = await inside(name, here)
    assert there == Path(f"/run/netns/{name}").stat().st_ino != before
    assert here() == before
    assert await asyncio.to_thread(here) == before


async def test_what_it_raises_is_raised(name: str) -> None:
    def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await inside(name, work)
    with pytest.raises(FileNotFoundError):
        await inside("no-such-namespace", here)


async def test_a_socket_stays_where_it_was_made(name: str) -> None:
    made = await inside(name, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with made, pytest.raises(OSError, match="unreachable"):
        made.connect(("127.0.0.1", 9))  # its loopback is down


async def test_cancelled_at_any_moment_it_leaves_nothing(name: str) -> None:
    def work() -> socket.socket:
        time.sleep(0.01)
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    before = descriptors()
    for delay in (0, 1, 5, 9, 10, 11, 12, 15):
        task = asyncio.create_task(inside(name, work))
        await asyncio.sleep(delay / 1000)
        task.cancel()
        try:
            (await task).close()
        except asyncio.CancelledError:
            assert not [each for each in threading.enumerate() if each.name == f"in {name}" and _works(each)]
    await asyncio.sleep(0.1)
    assert descriptors() == before


def _works(thread: threading.Thread) -> bool:
    thread.join(0.1)
    return thread.is_alive()


async def test_a_tap_goes_with_its_last_descriptor(name: str) -> None:
    descriptor = await inside(name, lambda: open_tap("tap0"))
    assert "tap0" in _devices(name)
    os.close(descriptor)
    assert "tap0" not in _devices(name)


def _devices(name: str) -> str:
    command = ["ip", "-n", name, "-brief", "link"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
