"""A command that runs in a machine, whatever carries its bytes.

An adapter calls the `…_received` methods and `ended`, `exited`, `lost` as things happen, and gives a
transport to act on; this class keeps a bounded amount of output, makes the far side wait when nobody
reads, and never waits for something that cannot come any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Protocol

from sealock.core.errors import TemporaryError
from sealock.core.machine import Completed, Process
from sealock.machines.invocation import ErrorStream

PIECE = 64 * 1024
# Beyond this much unread output the far side is made to wait.
HIGH_WATER = 256 * 1024
# `run` is for commands of our own; a guest that answers with more than this is not well.
LONGEST_ANSWER = 16 * 1024 * 1024
# A child that left its group may hold the output open for ever. Once the command itself has ended,
# this many seconds without a byte are the end of its output.
PATIENCE = 2.0


class Transport(Protocol):
    """What carries the bytes of one command."""

    def write(self, data: bytes) -> None: ...

    def write_eof(self) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def connection_lost(details: str) -> TemporaryError:
    """The error for a machine that cannot be reached any more."""
    return TemporaryError(
        "the machine's connection was lost",
        details=details,
        resolution="Run the build again: it gets a new machine. If it happens again, look whether the "
        "build needs more memory, or powers the machine off.",
    )


class Command:
    """Implements `core.machine.Process`. exit_code is None while the command runs."""

    def __init__(self, token: bytes) -> None:
        self.errors = ErrorStream(token)
        self.exit_code: int | None = None
        self.closed = False
        self._transport: Transport | None = None
        self._buffer = bytearray()
        self._output_ended = False
        self._reading_paused = False
        self._writing_paused = False
        self._cause = ""
        self._changed = asyncio.Event()

    # What the adapter tells.

    def attach(self, transport: Transport) -> None:
        """The way to the far side is open."""
        self._transport = transport

    def output_received(self, data: bytes) -> None:
        """Bytes of standard output."""
        self._buffer += data
        if len(self._buffer) >= HIGH_WATER and not self._reading_paused and self._transport:
            self._reading_paused = True
            self._transport.pause_reading()
        self._changed.set()

    def errors_received(self, data: bytes) -> None:
        """Bytes of standard error."""
        self.errors.feed(data)
        self._changed.set()

    def output_ended(self) -> None:
        """Nothing more will come on standard output and standard error."""
        self._output_ended = True
        self._changed.set()

    def exited(self, code: int) -> None:
        """The command has ended; output may still be on its way."""
        self.exit_code = code
        self._changed.set()

    def lost(self, cause: str) -> None:
        """Nothing at all will come any more. `cause` tells why, if it came too early."""
        self.closed = True
        self._cause = cause
        self._changed.set()

    def pause_writing(self) -> None:
        """The far side is slow."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The far side has caught up."""
        self._writing_paused = False
        self._changed.set()

    # What the caller of the machine does.

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready()` is true; it is asked again whenever something happened."""
        while not ready():
            self._changed.clear()
            await self._changed.wait()

    async def write(self, data: bytes) -> None:
        """Send to standard input. BrokenPipeError if nobody can read it any more."""
        view = memoryview(data)
        for start in range(0, len(view), PIECE):
            await self.until(lambda: not self._writing_paused or self._is_over)
            self._open_transport().write(bytes(view[start : start + PIECE]))

    async def close_input(self) -> None:
        """End standard input, after everything written so far."""
        await self.until(lambda: not self._writing_paused or self._is_over)
        if not self._is_over and self._transport is not None:
            self._transport.write_eof()

    @property
    def _is_over(self) -> bool:
        return self.closed or self.exit_code is not None

    def _open_transport(self) -> Transport:
        if self.exit_code is not None:
            raise BrokenPipeError("the command has ended")
        if self.closed or self._transport is None:
            raise connection_lost(self._cause)
        return self._transport

    def output(self) -> AsyncIterator[bytes]:
        """Standard output, in pieces of at most 64 KiB. TemporaryError if the machine is lost."""
        return _Pieces(self)

    async def read(self) -> bytes:
        """The next piece of output; empty at its end."""
        while not self._buffer:
            if self._output_ended or self.closed or not await self._more_to_come():
                break
        if self._buffer:
            return self._next_piece()
        if self.closed and self.exit_code is None:
            raise connection_lost(self._cause)
        return b""

    def _next_piece(self) -> bytes:
        piece = bytes(self._buffer[:PIECE])
        del self._buffer[:PIECE]
        if self._reading_paused and len(self._buffer) < HIGH_WATER // 2 and self._transport:
            self._reading_paused = False
            self._transport.resume_reading()
        return piece

    async def _more_to_come(self) -> bool:
        self._changed.clear()
        try:
            async with asyncio.timeout(None if self.exit_code is None else PATIENCE):
                await self._changed.wait()
        except TimeoutError:
            self._output_ended = True
        return not self._output_ended

    async def wait(self) -> Completed:
        """Its end. Output that nobody has read by then is dropped."""
        async for _ in self.output():
            pass
        await self.until(lambda: self._is_over)
        if self.exit_code is None:
            raise connection_lost(self._cause)
        if self.errors.group is None:
            raise TemporaryError(
                f"the machine did not start a command (exit code {self.exit_code})",
                details=self.errors.value().decode(errors="replace"),
                resolution="Build the image anew: its /usr/lib/sealock/exec may be missing or broken.",
            )
        return Completed(self.exit_code, b"", self.errors.value())


class _Pieces:
    """What is left of a command's output. No generator: nothing has to be closed after a break."""

    def __init__(self, command: Command) -> None:
        self._command = command

    def __aiter__(self) -> _Pieces:
        return self

    async def __anext__(self) -> bytes:
        if piece := await self._command.read():
            return piece
        raise StopAsyncIteration


async def complete(process: Process, stdin: bytes) -> Completed:
    """Feed a command, read it to its end, and return it with its standard output."""
    feeder = asyncio.create_task(_feed(process, stdin))
    try:
        stdout = await _collect(process)
        ended = await process.wait()
    finally:
        feeder.cancel()
        await asyncio.gather(feeder, return_exceptions=True)
    return Completed(ended.exit_code, stdout, ended.stderr)


async def _feed(process: Process, stdin: bytes) -> None:
    # A command need not read all of its input. A lost connection is told by whoever reads the output.
    with suppress(BrokenPipeError, TemporaryError):
        await process.write(stdin)
        await process.close_input()


async def _collect(process: Process) -> bytes:
    stdout = bytearray()
    async for piece in process.output():
        stdout += piece
        if len(stdout) > LONGEST_ANSWER:
            raise TemporaryError(
                "the machine answered with more than a command of ours can have to say",
                details=f"more than {LONGEST_ANSWER} bytes",
                resolution="Run the build again: it gets a new machine.",
            )
    return bytes(stdout)
