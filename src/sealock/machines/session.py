"""The Machine port over one authenticated SSH connection.

Whoever starts a machine makes the connection (host key pinned, keepalives on) and hands it over. Here
commands are started through the guest's fixed `exec` script, and ports and sockets of the guest's
loopback are joined to this side. When the connection is lost, whatever waits ends with TemporaryError:
asyncssh closes every channel as soon as a keepalive goes unanswered.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from signal import Signals
from typing import Any

import asyncssh

from sealock.core.errors import TemporaryError, UsageError
from sealock.core.machine import Completed, Connect, MachineRecord, Process
from sealock.machines.command import Command, complete, connection_lost
from sealock.machines.forward import Forwards
from sealock.machines.invocation import Invocation

EXEC = "/usr/lib/sealock/exec"
# Made by the guest's start script on a RAM disk, readable by the user only.
SOCKETS = "/run/sealock/user"
# How long a killed command may take to be gone, in seconds.
KILLING = 10.0
# How long that is waited for where something else went wrong before: what did counts, and a build that is
# cancelled ends its machine next, with whatever still runs there.
GIVING_UP = 1.0
_SOCKET_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}\Z")


class _Channel(asyncssh.SSHClientSession[bytes]):
    """Hands what happens on an SSH channel to a command."""

    def __init__(self, command: Command) -> None:
        self._command = command

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._command.attach(chan)

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        if datatype == asyncssh.EXTENDED_DATA_STDERR:
            self._command.errors_received(data)
        else:
            self._command.output_received(data)

    def eof_received(self) -> bool:
        self._command.output_ended()
        return True  # the input stays open

    def exit_status_received(self, status: int) -> None:
        self._command.exited(status)

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        known = Signals.__members__.get(f"SIG{signal}")
        self._command.exited(128 + (known or 127))

    def connection_lost(self, exc: Exception | None) -> None:
        self._command.lost(str(exc or "the channel was closed before the command had ended"))

    def pause_writing(self) -> None:
        self._command.pause_writing()

    def resume_writing(self) -> None:
        self._command.resume_writing()


@dataclass(frozen=True)
class _Spare:
    """An exec script that runs and waits for its fields."""

    token: bytes
    command: Command
    channel: asyncssh.SSHClientChannel[bytes]


@contextmanager
def _lost_if_refused() -> Iterator[None]:
    """A channel that cannot be opened means that the connection is gone, or that sshd is."""
    try:
        yield
    except (asyncssh.Error, asyncssh.ChannelListenError, OSError) as error:
        raise connection_lost(str(error)) from error


class SshMachine:
    """Implements `core.machine.Machine`. `exec_command` and `root_command` are constant shell text that
    starts the exec script as the user and as root; `sockets` is a directory of the user's own."""

    def __init__(
        self,
        connection: asyncssh.SSHClientConnection,
        record: MachineRecord,
        user: str,
        home: str,
        *,
        exec_command: str = EXEC,
        root_command: str = f"sudo -n -- {EXEC}",
        sockets: str = SOCKETS,
    ) -> None:
        self.record = record
        self.user = user
        self.home = home
        self._connection = connection
        self._spare: asyncio.Task[_Spare] | None = None
        self._endings: set[asyncio.Task[None]] = set()
        self._exec_command = exec_command
        self._root_command = root_command
        self._sockets = sockets

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        root: bool = False,
        timeout: float | None = 120.0,
    ) -> Completed:
        """Run a command to its end. See the port."""
        invocation = Invocation(argv, env, cwd)
        start = self._root_command if root else self._exec_command
        async with asyncio.timeout(timeout), self._started(start, invocation) as command:
            return await complete(command, stdin)

    @asynccontextmanager
    async def process(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> AsyncIterator[Process]:
        """A command to talk to while it runs. See the port."""
        async with self._started(self._exec_command, Invocation(argv, env, cwd)) as command:
            yield command

    @asynccontextmanager
    async def serve_port(self, connect: Connect) -> AsyncIterator[int]:
        """Open a port on the guest's loopback. See the port."""
        forwards = Forwards(connect)
        with _lost_if_refused():
            listener = await self._connection.start_server(
                lambda _host, _port: forwards.accept, "127.0.0.1", 0, encoding=None
            )
        try:
            yield listener.get_port()
        finally:
            await _close(listener, forwards)

    @asynccontextmanager
    async def serve_socket(self, name: str, target: Path) -> AsyncIterator[str]:
        """Open a Unix socket in the guest. See the port."""
        if not _SOCKET_NAME.match(name):
            raise UsageError(f"{name!r} cannot be the name of a socket")
        path = f"{self._sockets}/{name}-{secrets.token_hex(8)}"
        forwards = Forwards(lambda: asyncio.open_unix_connection(target))
        with _lost_if_refused():
            listener = await self._connection.start_unix_server(lambda: forwards.accept, path, encoding=None)
        try:
            yield path
        finally:
            await _close(listener, forwards)
            # sshd leaves the file behind. A machine that is lost has none.
            with suppress(TemporaryError):
                await self.run(["rm", "-f", "--", path], timeout=KILLING)

    @asynccontextmanager
    async def _started(self, start: str, invocation: Invocation) -> AsyncIterator[Command]:
        """A command whose process group is killed if it still runs when the block is left."""
        taken = await self._begun(start, invocation)
        try:
            yield taken.command
        except BaseException:
            # It is not waited for long, and goes on all the same.
            ending = asyncio.create_task(self._quietly_end(start, taken))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
            await asyncio.wait({ending}, timeout=GIVING_UP)
            raise
        await self._end(start, taken)

    async def _quietly_end(self, start: str, taken: _Spare) -> None:
        with suppress(TemporaryError):
            await self._end(start, taken)

    async def _end(self, start: str, taken: _Spare) -> None:
        try:
            await self._kill(start, taken.command)
        finally:
            taken.channel.abort()

    async def start_ahead(self) -> None:
        """Have the exec script of the next command started before there is one.

        Starting it is most of what a command costs in an emulated processor. TemporaryError if the
        machine is lost.
        """
        self._start_spare()
        assert self._spare is not None
        await asyncio.shield(self._spare)

    def _start_spare(self) -> None:
        if self._spare is None:
            self._spare = asyncio.create_task(self._new_spare())
            # Nobody may ever ask for it, and then nobody asks how it ended either.
            self._spare.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def _new_spare(self) -> _Spare:
        invocation = Invocation(["true"])
        command = Command(invocation.token)
        with _lost_if_refused():
            channel = await self._open(self._exec_command, command)
        return _Spare(invocation.token, command, channel)

    async def _taken(self, start: str, invocation: Invocation) -> _Spare:
        """A started exec script for this command: the one that waits, else a new one."""
        spare, self._spare = self._spare, None
        if start != self._exec_command:
            self._spare = spare
        elif spare is not None:
            try:
                taken = await asyncio.shield(spare)
            except asyncio.CancelledError:
                self._spare = spare
                raise
            if not taken.command.closed and taken.command.exit_code is None:
                return taken
        command = Command(invocation.token)
        with _lost_if_refused():
            return _Spare(invocation.token, command, await self._open(start, command))

    async def _begun(self, start: str, invocation: Invocation) -> _Spare:
        invocation.encode()
        taken = await self._taken(start, invocation)
        try:
            with suppress(BrokenPipeError):
                await taken.command.write(replace(invocation, token=taken.token).encode())
        except BaseException:
            taken.channel.abort()
            raise
        return taken

    async def _open(self, start: str, command: Command) -> asyncssh.SSHClientChannel[bytes]:
        opening = asyncio.create_task(
            self._connection.create_session(
                lambda: _Channel(command), start, encoding=None, request_pty=False
            )
        )
        try:
            channel, _ = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # Cut short, the channel would stay open in the guest with nobody to close it.
            opening.add_done_callback(_abandon)
            raise
        return channel

    async def _kill(self, start: str, command: Command) -> None:
        """Kill the process group, if it still runs, from a second channel: sshd does not pass signals on
        for every user. TemporaryError if it is not gone after `KILLING` seconds."""
        if command.exit_code is not None or command.closed:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(KILLING):
                await command.until(lambda: command.errors.group is not None or command.closed)
                if command.errors.group is not None and command.exit_code is None:
                    await self._send_kill(start, command.errors.group)
                    await command.until(lambda: command.exit_code is not None or command.closed)
                return
        raise TemporaryError(
            "a command in the machine could not be ended",
            details=f"process group {command.errors.group} was not gone {KILLING:.0f} seconds after",
            resolution="Nothing is left to do: the machine is destroyed with everything in it.",
        )

    async def _send_kill(self, start: str, group: int) -> None:
        killer = Invocation(["kill", "-KILL", "--", f"-{group}"])
        # A command that ended just now, or a machine that is lost, has nothing to be killed.
        with suppress(TemporaryError):
            taken = await self._begun(start, killer)
            try:
                await complete(taken.command, b"")
            finally:
                taken.channel.abort()


def _abandon(opening: asyncio.Task[tuple[asyncssh.SSHClientChannel[Any], Any]]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[0].abort()


async def _close(listener: asyncssh.SSHListener, forwards: Forwards) -> None:
    """Close in the guest first, so that no connection comes in after the last one was ended."""
    listener.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(KILLING):
            await listener.wait_closed()
    await forwards.close()
