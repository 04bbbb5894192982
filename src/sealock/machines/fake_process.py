"""A command of a fake machine: a process of this host in a session of its own.

Killing takes everything that is still in the session, so that no test leaves a process behind even if
it is stopped before the command has told its process group.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

from sealock.machines.command import Command


class LocalProcess(asyncio.SubprocessProtocol):
    """Hands what happens on a process's pipes to `command`; is itself the command's transport.

    received: is shown each piece of standard output and returns what of it comes through.
    """

    def __init__(self, command: Command, received: Callable[[bytes], bytes]) -> None:
        self.command = command
        self._received = received
        self._open = {0, 1, 2}
        self._exited = asyncio.Event()
        self._gone = asyncio.Event()

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._process = cast("asyncio.SubprocessTransport", transport)
        self.command.attach(self)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            self.command.output_received(self._received(data))
        else:
            self.command.errors_received(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open.discard(fd)
        if fd == 0:
            self.command.resume_writing()  # nobody waits for a reader that is gone
        if self._open.isdisjoint({1, 2}):
            self.command.output_ended()

    def process_exited(self) -> None:
        code = self._process.get_returncode() or 0
        if not self.command.closed:
            self.command.exited(code if code >= 0 else 128 - code)
        self._exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone.set()

    def pause_writing(self) -> None:
        self.command.pause_writing()

    def resume_writing(self) -> None:
        self.command.resume_writing()

    # What the command does.

    def write(self, data: bytes) -> None:
        """To standard input; dropped once the process has closed it, as sshd does."""
        if 0 in self._open:
            cast("asyncio.WriteTransport", self._process.get_pipe_transport(0)).write(data)

    def write_eof(self) -> None:
        """End standard input, after everything written so far."""
        if 0 in self._open:
            cast("asyncio.WriteTransport", self._process.get_pipe_transport(0)).close()

    def pause_reading(self) -> None:
        """Make the process wait with its output."""
        if 1 in self._open:
            cast("asyncio.ReadTransport", self._process.get_pipe_transport(1)).pause_reading()

    def resume_reading(self) -> None:
        """Let it go on."""
        if 1 in self._open:
            cast("asyncio.ReadTransport", self._process.get_pipe_transport(1)).resume_reading()

    # What the machine does.

    def kill(self) -> bool:
        """Kill everything in the process's session; whether there was anything."""
        members = _members(self._process.get_pid())
        for member in members:
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)
        return bool(members)

    async def gone(self) -> None:
        """Wait until the session is empty, the process reaped and its pipes closed."""
        # Whoever was forked during one look is found by the next.
        while self.kill():  # noqa: ASYNC110  # nobody tells when a process forks
            await asyncio.sleep(0.01)
        await self._exited.wait()
        # Not earlier: closing a transport takes the exit code away from the loop that waits for it.
        self._process.close()
        await self._gone.wait()


def _members(session: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name in parentheses may hold anything; the fields after it do not.
            fields = status.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] not in "ZX":
                found.append(int(status.parent.name))
    return found
