"""Lets other hosts in: one TLS handshake each, few at a time, and none of them in the way of this host's own.

A connection is handed on only when its handshake is done, so nothing that was sent before can be taken for a
peer's. Those who have shown no certificate yet have places of their own, so that strangers who fill them keep
out other hosts at most. Python's own server says nothing of a handshake that fails; here the log does.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable

from sealock.keeper.tls import HANDSHAKE

MOST_HANDSHAKES = 64
"""At a time; more wait in the socket's queue."""

PAUSE = 0.5
"""Seconds, when a connection cannot be taken: most likely too many files are open."""

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Log = Callable[[str], None]


class Handshakes:
    """Those of one listening socket. serve: takes a connection whose handshake is done, and closes it."""

    def __init__(
        self, network: socket.socket, tls: ssl.SSLContext, serve: Serve, log: Log, *, limit: float = HANDSHAKE
    ) -> None:
        """limit: seconds for one handshake."""
        self._network = network
        self._tls = tls
        self._serve = serve
        self._log = log
        self._limit = limit
        self._places = asyncio.Semaphore(MOST_HANDSHAKES)
        self._under_way: set[asyncio.Task[None]] = set()

    async def accept(self) -> None:
        """Take connections until cancelled; what is under way then is cut off."""
        self._network.setblocking(False)
        try:
            while True:
                await self._places.acquire()
                await self._take_one()
        finally:
            self._network.close()
            for task in self._under_way:
                task.cancel()

    async def _take_one(self) -> None:
        try:
            connection, address = await asyncio.get_running_loop().sock_accept(self._network)
        except OSError as error:
            self._places.release()
            self._log(f"a connection could not be taken: {error.strerror}")
            await asyncio.sleep(PAUSE)
            return
        except asyncio.CancelledError:
            self._places.release()
            raise
        task = asyncio.create_task(self._one(connection, str(address[0])))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _one(self, connection: socket.socket, address: str) -> None:
        try:
            streams = await self._agree(connection)
        except (OSError, EOFError) as error:  # an ssl.SSLError is one too
            connection.close()
            self._log(f"hung up on {address}: {_told(error)}")
            return
        finally:
            self._places.release()
        await self._serve(*streams)

    async def _agree(self, connection: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, connection, ssl=self._tls, ssl_handshake_timeout=self._limit
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _told(error: OSError | EOFError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted, {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS with it, {(error.reason or str(error)).replace('_', ' ').lower()}"
    return f"no TLS with it, {error or type(error).__name__}"
