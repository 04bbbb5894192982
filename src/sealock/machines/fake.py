"""Machines for tests: directories and processes of this host, behaving like the real thing.

Commands go through the guest's own `exec` script and a command of `/usr/lib/sealock/…` runs from the
source tree, so what is tested with a fake is what runs in a guest. Nothing is kept apart from this
host: a fake is for tests of our own code, never for a stranger's.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sealock.core.errors import TemporaryError, UsageError
from sealock.core.machine import (
    Completed,
    Connect,
    Ending,
    Machine,
    MachineRecord,
    MachineSpec,
    MachineState,
    Origin,
    Process,
)
from sealock.machines.command import Command, complete, connection_lost
from sealock.machines.fake_process import LocalProcess
from sealock.machines.forward import Forwards
from sealock.machines.invocation import Invocation

GUEST = Path(__file__).parent / "guest"
_INSTALLED = "/usr/lib/sealock/"
_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SOCKET_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}\Z")


@dataclass(frozen=True)
class Faults:
    """What goes wrong on purpose.

    never_ready: no machine comes up. cut_after: bytes of output after which the machine is gone, with
    `cut_as` for its ending.
    """

    never_ready: bool = False
    cut_after: int | None = None
    cut_as: Ending = Ending.LOST


class FakeMachines:
    """Implements `core.machine.Machines`. records: of every machine made, the last one last."""

    def __init__(self, root: Path, faults: Faults = Faults()) -> None:
        self.records: list[MachineRecord] = []
        self._root = root
        self._faults = faults
        self.specs: list[MachineSpec] = []

    @asynccontextmanager
    async def machine(self, spec: MachineSpec) -> AsyncIterator[Machine]:
        """A new machine with an empty home."""
        record = _new_record(spec)
        self.records.append(record)
        self.specs.append(spec)
        if self._faults.never_ready:
            _finish(record, Ending.LOST)
            raise TemporaryError("the machine did not come up", resolution="Run the build again.")
        home = self._root / record.id / "home"
        home.mkdir(parents=True)
        record.enter(MachineState.READY)
        record.enter(MachineState.BUSY)
        machine = FakeMachine(record, home, self._faults)
        try:
            yield machine
        finally:
            record.enter(MachineState.ENDING)
            await machine.end()
            shutil.rmtree(home.parent)
            _finish(record, machine.ending or Ending.DESTROYED)


def _new_record(spec: MachineSpec) -> MachineRecord:
    record = MachineRecord(
        id=secrets.token_hex(16),
        image=spec.image,
        origin=Origin.FAKE,
        acceleration="none",
        network=spec.network,
        host_key_fingerprint="SHA256:" + "0" * 43,
    )
    record.enter(MachineState.STARTING)
    return record


def _finish(record: MachineRecord, ending: Ending) -> None:
    if record.state is not MachineState.ENDING:
        record.enter(MachineState.ENDING)
    record.ending = ending
    record.disk_bytes_written = 0
    record.process_reaped_at = record.memory_free_at = time.time()
    record.enter(MachineState.GONE)


class FakeMachine:
    """Implements `core.machine.Machine`. ending: set once it was cut off or powered off."""

    def __init__(self, record: MachineRecord, home: Path, faults: Faults) -> None:
        self.record = record
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.home = str(home)
        self.ending: Ending | None = None
        self._faults = faults
        self._sent = 0
        self._running: set[LocalProcess] = set()

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
        """Run a command to its end. `root` changes nothing here."""
        async with asyncio.timeout(timeout), self._started(argv, env, cwd) as command:
            return await complete(command, stdin)

    @asynccontextmanager
    async def process(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> AsyncIterator[Process]:
        """A command to talk to while it runs."""
        async with self._started(argv, env, cwd) as command:
            yield command

    @asynccontextmanager
    async def serve_port(self, connect: Connect) -> AsyncIterator[int]:
        """A port of this host's loopback."""
        self._refuse_if_gone()
        forwards = Forwards(connect)
        server = await asyncio.start_server(forwards.accept, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            await forwards.close()
            await server.wait_closed()

    @asynccontextmanager
    async def serve_socket(self, name: str, target: Path) -> AsyncIterator[str]:
        """A socket in a directory of its own; not in the home, whose path may be too long for one."""
        self._refuse_if_gone()
        if not _SOCKET_NAME.match(name):
            raise UsageError(f"{name!r} cannot be the name of a socket")
        forwards = Forwards(lambda: asyncio.open_unix_connection(target))
        with tempfile.TemporaryDirectory(prefix="sealock-") as directory:
            path = Path(directory) / name
            server = await asyncio.start_unix_server(forwards.accept, path)
            path.chmod(0o600)
            try:
                yield str(path)
            finally:
                server.close()
                await forwards.close()
                await server.wait_closed()

    def cut(self, ending: Ending) -> None:
        """The machine is gone from now on, with everything that runs in it."""
        self.ending = ending
        for process in self._running:
            process.kill()
            process.command.lost(f"the fake machine was cut off ({ending})")

    async def end(self) -> None:
        """Kill what still runs."""
        for process in list(self._running):
            process.kill()
            await process.gone()

    def _refuse_if_gone(self) -> None:
        if self.ending is not None:
            raise connection_lost(f"the fake machine was cut off ({self.ending})")

    def _count(self, data: bytes) -> bytes:
        """What of `data` still comes through before the machine is cut off."""
        limit = self._faults.cut_after
        self._sent += len(data)
        if limit is None or self._sent <= limit:
            return data
        if self.ending is None:
            asyncio.get_running_loop().call_soon(self.cut, self._faults.cut_as)
        return data[: max(0, limit - (self._sent - len(data)))]

    @asynccontextmanager
    async def _started(
        self, argv: Sequence[str], env: Mapping[str, str] | None, cwd: str | None
    ) -> AsyncIterator[Command]:
        self._refuse_if_gone()
        variables = dict(zip(env or {}, _from_source_tree((env or {}).values()), strict=True))
        invocation = Invocation(_from_source_tree(argv), variables, cwd)
        fields = invocation.encode()
        command = Command(invocation.token)
        process = await self._spawn(command)
        try:
            with suppress(BrokenPipeError):
                await command.write(fields)
            yield command
        finally:
            process.kill()
            await process.gone()
            self._running.discard(process)

    async def _spawn(self, command: Command) -> LocalProcess:
        _, process = await asyncio.get_running_loop().subprocess_exec(
            lambda: LocalProcess(command, self._count),
            str(GUEST / "exec"),
            cwd=self.home,
            env={"HOME": self.home, "USER": self.user, "LOGNAME": self.user, "PATH": _SEARCH_PATH},
            start_new_session=True,
        )
        self._running.add(process)
        return process


def _from_source_tree(texts: Iterable[str]) -> list[str]:
    return [re.sub(f"^{_INSTALLED}", f"{GUEST}/", text) for text in texts]
