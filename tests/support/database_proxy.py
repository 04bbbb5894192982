"""Somebody on the way between Sealock and its database: hears what passes, or takes the offer of TLS out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""How a client of PostgreSQL asks for TLS, before anything else."""


class Proxy:
    """strip: answer for the server that it speaks no TLS. heard: all that clients sent."""

    def __init__(self, port: int, *, strip: bool) -> None:
        self.port = 0
        self.heard = bytearray()
        self._to = port
        self._strip = strip
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self._to)
        if self._strip and await reader.readexactly(len(SSL_REQUEST)) == SSL_REQUEST:
            writer.write(b"N")
        back = asyncio.create_task(_pass_on(upstream_reader, writer))
        self._tasks.add(back)
        try:
            await _pass_on(reader, upstream, self.heard)
        finally:
            back.cancel()
            for end in (writer, upstream):
                end.close()


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: bytearray | None = None
) -> None:
    try:
        while data := await reader.read(65536):
            if heard is not None:
                heard += data
            writer.write(data)
            await writer.drain()
    except ConnectionError:
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
