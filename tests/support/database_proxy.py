"""Somebody on the way between Sealock and its database: hears what passes, or takes the offer of TLS out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""How a client of PostgreSQL asks for TLS, before anything else."""


class Proxy:
    """strip: answer for the server that it speaks no TLS. heard: all that clients sent."""

    def __init__(self, port: int, *, strip: bool) -> None:
        self.port = 0
        self.heard = bytearray()
        self._to = port
        self._strip = strip
        self._clients: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, until it closes; of a server that closes first it reads the end."""
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self._to)
        back = asyncio.create_task(_pass_on(upstream_reader, writer))
        try:
            if self._strip and await reader.readexactly(len(SSL_REQUEST)) == SSL_REQUEST:
                writer.write(b"N")
            await _pass_on(reader, upstream, self.heard)
        finally:
            back.cancel()
            for end in (writer, upstream):
                end.close()
            self._clients.discard(task)

    async def end(self) -> None:
        """Let clients close: they end their TLS first, which they can't when nobody answers any more."""
        if self._clients:
            _, still_there = await asyncio.wait(self._clients, timeout=60)
            for client in still_there:
                client.cancel()


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: bytearray | None = None
) -> None:
    try:
        while data := await reader.read(65536):
            if heard is not None:
                heard += data
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        pass


@asynccontextmanager
async def proxy(port: int, *, strip: bool = False) -> AsyncIterator[Proxy]:
    """A proxy on loopback in front of the server at `port`."""
    made = Proxy(port, strip=strip)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await made.end()
