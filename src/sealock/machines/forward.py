"""Joins connections that come out of a guest to this side, both ways, each end waiting for the other.

Used for a served port and a served socket alike. Closing ends every connection that is still alive, so
that nothing of this side can be reached from the guest afterwards.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Protocol

import asyncssh

from sealock.core.machine import Connect

PIECE = 64 * 1024
# A fetch needs one connection per repository; a guest that opens more than this is up to something.
MOST_CONNECTIONS = 32
_BROKEN = (OSError, asyncssh.Error)


class Reader(Protocol):
    """What asyncio's and asyncssh's readers have in common."""

    async def read(self, n: int = -1) -> bytes: ...


class Writer(Protocol):
    """What asyncio's and asyncssh's writers have in common."""

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...

    def can_write_eof(self) -> bool: ...

    def write_eof(self) -> None: ...

    def close(self) -> None: ...

    async def wait_closed(self) -> None: ...


class Forwards:
    """The live connections of one served port or socket; each is answered by `connect`."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self, reader: Reader, writer: Writer) -> None:
        """Answer a new connection. Beyond the limit it is closed at once."""
        if len(self._tasks) >= MOST_CONNECTIONS:
            writer.close()
            return
        task = asyncio.create_task(self._join(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End every connection and wait until they are gone."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _join(self, reader: Reader, writer: Writer) -> None:
        try:
            with suppress(OSError):
                far_reader, far_writer = await self._connect()
                try:
                    await _both(_copy(reader, far_writer), _copy(far_reader, writer))
                finally:
                    await _end(far_writer)
        finally:
            await _end(writer)


async def _both(*directions: Any) -> None:
    """Run both directions to their end; when one breaks, the other is ended."""
    tasks = [asyncio.create_task(direction) for direction in directions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, _BROKEN):
            raise result


async def _copy(reader: Reader, writer: Writer) -> None:
    while data := await reader.read(PIECE):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def _end(writer: Writer) -> None:
    """Close after what is on its way; a far side that takes nothing any more gets a second."""
    writer.close()
    try:
        async with asyncio.timeout(1):
            await writer.wait_closed()
    except TimeoutError:
        if isinstance(writer, asyncio.StreamWriter):
            writer.transport.abort()
        elif isinstance(writer, asyncssh.SSHWriter):
            writer.channel.abort()
    except _BROKEN:
        pass
