"""Connections out of a guest: how many, and what is left when they are closed."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest

from sealock.machines.forward import MOST_CONNECTIONS, Forwards

pytestmark = pytest.mark.anyio


async def test_a_guest_cannot_open_any_number_of_connections() -> None:
    opened = 0
    before = asyncio.all_tasks()

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        nonlocal opened
        opened += 1
        await asyncio.sleep(60)
        raise OSError

    forwards = Forwards(connect)
    server = await asyncio.start_server(forwards.accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    ends = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MOST_CONNECTIONS + 5)]
    for reader, _ in ends[MOST_CONNECTIONS:]:
        assert await reader.read() == b""
    assert opened == MOST_CONNECTIONS
    server.close()
    await forwards.close()
    for reader, writer in ends:
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    await server.wait_closed()
    assert asyncio.all_tasks() == before


async def test_a_guest_that_takes_nothing_holds_nothing_up() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while True:
                writer.write(bytes(65536))
                await writer.drain()

    source = await asyncio.start_server(flood, "127.0.0.1", 0)
    forwards = Forwards(lambda: asyncio.open_connection(*source.sockets[0].getsockname()))
    server = await asyncio.start_server(forwards.accept, "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()):
        await asyncio.sleep(0.3)
        server.close()
        async with asyncio.timeout(60):
            await forwards.close()
    source.close()
    await source.wait_closed()
    await server.wait_closed()
