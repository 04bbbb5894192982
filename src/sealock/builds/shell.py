"""A step's shell: one bash in the machine that runs commands one by one and keeps its state.

What a command changes (directory, variables, functions, options) the next one finds, as in a script.
A command is over when the runner's marker comes, not when its output ends: what it left in the
background may hold the output open. Leaving the block kills the shell with everything it started.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sealock.builds.marker import MarkerParser
from sealock.core.errors import TemporaryError, UsageError
from sealock.core.machine import Machine, Process

RUNNER = "/usr/lib/sealock/shell"
# Read once by the shell, on a line of its own: a command's messages then count lines from 1. The outer
# loop is there for the command that says `break`. "-p" keeps a start-up file out, the runner ends it.
_LOOP = (
    '. "$1"; while :; do while { __sealock_next; } 2>/dev/null; '
    'do builtin eval "$__sealock_command"; done; done'
)

Output = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True)
class ShellEnded:
    """The command ended the shell itself: `exit`, `exec`, `set -e` and a failure, or a signal.

    exit_code: the shell's. No further command can run in it.
    """

    exit_code: int


class Silent(Exception):
    """A command wrote nothing for longer than allowed; it still runs. seconds: what was allowed."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no output for {seconds:g} seconds")
        self.seconds = seconds


class Shell:
    """Made by `open_shell`."""

    def __init__(self, process: Process, nonce: bytes) -> None:
        self._process = process
        self._pieces = process.output()
        self._parser = MarkerParser(nonce)
        self._number = 0
        self.ended = False
        """No further command can run in it."""

    async def run(self, command: str, output: Output, *, silence: float | None = None) -> int | ShellEnded:
        """Run one command, which may have several lines, to its exit code.

        `output` is given what it writes, as soon as it is there, and holds the machine back while it
        works. Raises Silent after `silence` seconds without output, TemporaryError if the machine is
        lost, UsageError if the command holds a NUL character. After an error the shell is of no use.
        """
        if "\0" in command:
            raise UsageError("a command holds a NUL character", details=repr(command)[:200])
        self._number += 1
        self._parser.expect(self._number)
        try:
            await self._process.write(command.encode(errors="surrogateescape") + b"\0")
        except BrokenPipeError:
            return await self._ended(output)
        try:
            async with asyncio.timeout(silence) as patience:
                return await self._read(output, silence, patience)
        except TimeoutError as error:
            if not patience.expired() or silence is None:
                raise
            await self._flush(output)
            self.ended = True
            raise Silent(silence) from error
        except TemporaryError:
            await self._flush(output)
            raise

    async def _read(
        self, output: Output, silence: float | None, patience: asyncio.Timeout
    ) -> int | ShellEnded:
        clock = asyncio.get_running_loop().time
        piece: bytes | None = b""
        while piece is not None:
            # Whoever takes the output may be slow; that is not the command's silence.
            patience.reschedule(None)
            if ready := self._parser.feed(piece):
                await output(ready)
            if self._parser.exit_code is not None:
                return self._parser.exit_code
            patience.reschedule(None if silence is None else clock() + silence)
            piece = await anext(self._pieces, None)
        # A program that has closed its output may go on; the same patience holds for its end.
        return await self._ended(output)

    async def _ended(self, output: Output) -> ShellEnded:
        async for piece in self._pieces:
            if ready := self._parser.feed(piece):
                await output(ready)
        await self._flush(output)
        self.ended = True
        return ShellEnded((await self._process.wait()).exit_code)

    async def _flush(self, output: Output) -> None:
        """Nothing follows any more, so what looked like the beginning of a marker was none."""
        if rest := self._parser.rest():
            await output(rest)


@asynccontextmanager
async def open_shell(
    machine: Machine,
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    runner: str = RUNNER,
) -> AsyncIterator[Shell]:
    """A new shell in `cwd` (the home directory if None) with `env` added to the machine's environment."""
    nonce = secrets.token_hex(16).encode()
    argv = ["/bin/bash", "-p", "-c", _LOOP, "bash", runner]
    async with machine.process(argv, env=env, cwd=cwd) as process:
        await process.write(nonce + b"\0")
        yield Shell(process, nonce)
