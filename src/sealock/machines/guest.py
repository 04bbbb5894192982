"""One guest: a QEMU process with its monitor, console, network and limits, from start to accounting.

`begin` makes everything around the process and starts it; `boot` or `resume` brings the guest to where
it waits; `login` gives it its identity and authenticates; `end` is the end of all of it. A mark with our
name on it is made first and removed last, so that the reaper can end what a crash of ours left.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import asyncssh

from sealock.core.errors import PermanentError, TemporaryError
from sealock.core.image import Image
from sealock.core.machine import (
    STATE_DEADLINES,
    Ending,
    Limit,
    MachineRecord,
    MachineSpec,
    MachineState,
    NetworkPolicy,
    Origin,
)
from sealock.machines import cgroup, containment, firewall, hardware, marks, network
from sealock.machines.child import Child, spawn
from sealock.machines.console import Ring
from sealock.machines.hardware import Hardware, Start, Wires
from sealock.machines.host import Host
from sealock.machines.identity import Identity, new_identity
from sealock.machines.monitor import Monitor
from sealock.machines.session import SshMachine
from sealock.machines.template import Template

KEEPALIVE_SECONDS = 30
KEEPALIVES_MISSED = 6
# How long the memory of a reaped process may take to be back, in seconds.
MEMORY_PATIENCE = 2.0
T = TypeVar("T")


class QemuMachine(SshMachine):
    """A guest we are logged in to."""

    def __init__(self, guest: Guest, connection: asyncssh.SSHClientConnection) -> None:
        super().__init__(connection, guest.record, guest.image.user, f"/home/{guest.image.user}")
        self._guest = guest

    def console(self) -> str:
        """The last lines of the guest's console, for a build that lost its machine."""
        return self._guest.console_tail()


class Guest:
    """Made by `begin`."""

    def __init__(self, host: Host, image: Image, spec: MachineSpec, origin: Origin) -> None:
        resolver = firewall.RESOLVER if spec.network is NetworkPolicy.INTERNET else None
        self.host = host
        self.image = image
        self.spec = spec
        self.identity: Identity = new_identity(host.authority, image.user, resolver)
        self.hardware = hardware_for(host, image, spec)
        self._user = host.user.for_machine(self.identity.id)
        self.record = MachineRecord(
            id=self.identity.id,
            image=image.digest,
            origin=origin,
            acceleration=host.acceleration,
            network=spec.network,
            host_key_fingerprint=self.identity.fingerprint,
        )
        self.record.enter(MachineState.STARTING)
        self.connection: asyncssh.SSHClientConnection | None = None
        self._machine: QemuMachine | None = None
        self.child: Child | None = None
        self.console: Ring | None = None
        self.errors: Ring | None = None
        self._mark = marks.Mark(host.machines_directory, self.identity.id, host.owner)
        self._group = cgroup.Cgroup()
        self._network: network.Network | None = None
        self._monitor = Monitor(self.identity.id)
        self._port: socket.socket | None = None
        self._watching: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    async def begin(self, memory: int, start: Start) -> None:
        """Start QEMU on this guest memory (a descriptor, not taken over)."""
        self._mark.make()
        self._group = cgroup.make(self.identity.id, cgroup.Budget(self.spec.memory_mib, self.spec.cpus))
        self.record.limits = self._limits()
        self._network = await network.open_network(
            self.identity.id,
            self.spec,
            allow=self.host.options.network_allow,
            pasta=network.Pasta(self.host.options.pasta, self._user, self._group, self.host.owner),
        )
        ours, monitor = socket.socketpair()
        self._port, port = socket.socketpair()
        self._port.setblocking(False)
        try:
            with monitor, port, _image_files(self.image) as files:
                wires = Wires(memory, monitor.fileno(), port.fileno(), self._network.tap, *files)
                self._start(wires, start)
            self._network.close_tap()
            await self._unless_it_ends(self._monitor.connect(ours))
        except BaseException:
            ours.close()
            raise

    async def boot(self) -> None:
        """Wait until a guest that was started from nothing waits for its identity."""
        await self._hear()

    async def _hear(self) -> None:
        """Wait for a word from the guest's start script: `ready` or `seeded`."""
        assert self._port is not None
        if not await self._unless_it_ends(asyncio.get_running_loop().sock_recv(self._port, 64)):
            raise self._did_not_start("did not get to its start")

    async def resume(self, template: Template) -> None:
        """Go on from where the template waits: the guest runs as soon as its state is loaded."""
        capability = {"capability": "x-ignore-shared", "state": True}
        await self._monitor.execute("migrate-set-capabilities", capabilities=[capability])
        state = template.open_state()
        try:
            await self._monitor.give_descriptor("state", state)
        finally:
            os.close(state)
        await self._unless_it_ends(self._monitor.execute("migrate-incoming", uri="fd:state"))

    async def save(self, state: int) -> None:
        """Stop the guest for good and write its device state to this descriptor, without its memory.

        It is saved as running, so that a clone runs as soon as it has loaded the state.
        """
        capability = {"capability": "x-ignore-shared", "state": True}
        await self._monitor.execute("migrate-set-capabilities", capabilities=[capability])
        await self._monitor.give_descriptor("state", state)
        await self._monitor.execute("migrate", uri="fd:state")
        await self._unless_it_ends(self._saved())

    async def login(self) -> None:
        """Give the guest its identity and connect: to its pinned host key, with a certificate for it."""
        assert self._port is not None
        assert self._network is not None
        hosts = self._network.git.hosts if self._network.git else ""
        sending = asyncio.get_running_loop().sock_sendall(self._port, self.identity.message(hosts))
        await self._unless_it_ends(sending)
        # No packet may come before it is seeded: at the first one its kernel makes secrets, which would
        # be the same in every clone of the template.
        await self._hear()
        self.connection = await self._unless_it_ends(self._connect(self._network))
        await self._network.up()
        self._watching = asyncio.create_task(self._watch())
        self._machine = QemuMachine(self, self.connection)
        self.record.enter(MachineState.READY)

    def machine(self) -> QemuMachine:
        """The guest as whoever builds in it sees it. Only after `login`."""
        assert self._machine is not None
        return self._machine

    def console_tail(self) -> str:
        """The last lines of the guest's console and of what QEMU had to say."""
        rings = [ring.text().strip() for ring in (self.console, self.errors) if ring is not None]
        return "\n".join(text for text in rings if text)[-4000:]

    async def end(self) -> None:
        """End the process, take its last numbers and remove everything of it from this host.

        May be called again; whoever comes second waits for the first.
        """
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        self.record.enter(MachineState.ENDING)
        if self._watching is not None:
            self._watching.cancel()
        if self.connection is not None:
            self.connection.abort()
        try:
            await self._end_process()
        finally:
            await self._free_host()
        self.record.enter(MachineState.GONE)

    async def _end_process(self) -> None:
        """By SIGKILL: nothing in the guest is asked, nothing can hold it up."""
        if self.child is not None:
            if self.record.ending is None:
                self.record.ending = Ending.DESTROYED
            self.child.kill()
            await self.child.ended()
            for ring in (self.console, self.errors):
                if ring is not None:
                    ring.drain()
            usage = await self.child.reaped()
            self.record.process_reaped_at = time.time()
            self.record.peak_memory_bytes = usage.peak_memory_bytes
            self.record.disk_bytes_written = usage.disk_bytes
        await self._monitor.close()
        if self._port is not None:
            self._port.close()

    async def _free_host(self) -> None:
        if self._network is not None:
            self.record.disk_bytes_written = _both(
                self.record.disk_bytes_written, await self._network.close()
            )
        deadline = time.monotonic() + MEMORY_PATIENCE
        # The kernel has no event for this.
        while not self._group.is_free() and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        if self._group.is_free():
            self.record.memory_free_at = time.time()
        self._group.remove()
        self._mark.remove()

    def _start(self, wires: Wires, start: Start) -> None:
        arguments = hardware.arguments(self.hardware, wires, machine=self.identity.id, start=start)
        command = [self.host.options.qemu, *arguments]
        chain = containment.for_qemu(command, self._user, self._group)
        mark = marks.environment(self.identity.id, self.host.owner)
        self.child = spawn(chain, pass_fds=wires.all, mark=mark)
        self.console = Ring(self.child.stdout)
        self.errors = Ring(self.child.stderr)

    async def _connect(self, wire: network.Network) -> asyncssh.SSHClientConnection:
        end = await wire.connect()
        key, certificate = self.host.authority.login(self.identity.id)
        deadline = STATE_DEADLINES[MachineState.STARTING]
        assert deadline is not None
        try:
            return await asyncssh.connect(
                host=self.identity.id,
                sock=end,
                username=self.identity.user,
                known_hosts=self.identity.known_hosts,
                client_keys=[(key, certificate)],
                config=None,
                agent_path=None,
                server_host_key_algs=["ssh-ed25519"],
                kex_algs=["curve25519-sha256"],
                encryption_algs=["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com"],
                compression_algs=["none"],
                preferred_auth=["publickey"],
                login_timeout=deadline,
                keepalive_interval=KEEPALIVE_SECONDS,
                keepalive_count_max=KEEPALIVES_MISSED,
            )
        except (asyncssh.Error, OSError) as error:
            end.close()
            raise self._did_not_start("did not let us in over SSH", str(error)) from error

    async def _saved(self) -> None:
        while True:
            status = await self._monitor.execute("query-migrate")
            assert isinstance(status, dict)
            if status.get("status") == "completed":
                return
            if status.get("status") == "failed":
                raise self._did_not_start("could not be saved as a template", str(status))
            await asyncio.sleep(0.01)

    async def _unless_it_ends(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns; TemporaryError, with what the guest said last, if QEMU ends first."""
        assert self.child is not None
        working = asyncio.ensure_future(work)
        ended = asyncio.ensure_future(self.child.ended())
        try:
            await asyncio.wait({working, ended}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
        except (OSError, TemporaryError):
            # The other end of a socket is closed a moment before the process is seen to be gone.
            await asyncio.wait({ended}, timeout=1.0)
            if not ended.done():
                raise
        finally:
            for task in (working, ended):
                task.cancel()
            await asyncio.wait({working, ended})
        raise self._did_not_start("ended while it was starting")

    async def _watch(self) -> None:
        """A guest that ends by itself takes no leave: break the connection, so that nobody waits."""
        assert self.child is not None
        await self.child.ended()
        self._last_words()
        reason = self._monitor.shutdown_reason
        if reason in ("guest-shutdown", "guest-reset"):
            panicked = "Kernel panic" in self.console_tail()
            self.record.ending = Ending.PANICKED if panicked else Ending.POWERED_OFF
        else:
            self.record.ending = Ending.LOST
        if self.connection is not None:
            self.connection.abort()

    def _did_not_start(self, what: str, details: str = "") -> TemporaryError:
        return TemporaryError(
            f"the machine {what}",
            details=details or self._last_words(),
            resolution="Try again. If it stays so, look at what QEMU and the guest said last, at this host's "
            "free memory, and whether the image is whole (`sealock image show`).",
        )

    def _last_words(self) -> str:
        for ring in (self.console, self.errors):
            if ring is not None:
                ring.drain()
        return self.console_tail()

    def _limits(self) -> list[Limit]:
        return [
            *self._group.limits,
            *containment.limits(self._user),
            Limit("guest memory", f"{self.spec.memory_mib} MiB", "qemu", enforced=True),
            Limit("files", f"{self.spec.disk_mib} MiB", "tmpfs in the guest", enforced=True),
        ]


def hardware_for(host: Host, image: Image, spec: MachineSpec) -> Hardware:
    """The hardware of a machine of that image and spec on this host."""
    return Hardware(
        acceleration=host.acceleration,
        memory_mib=spec.memory_mib,
        cpus=spec.cpus,
        disk_mib=spec.disk_mib,
        image=image.content,
        qemu=host.qemu_version,
    )


def _both(one: int | None, other: int | None) -> int | None:
    """What was not counted is not nothing."""
    return None if one is None or other is None else one + other


@contextmanager
def _image_files(image: Image) -> Iterator[tuple[int, int, int]]:
    opened: list[int] = []
    try:
        for path in (image.kernel, image.initrd, image.root):
            opened.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        kernel, initrd, root = opened
        yield kernel, initrd, root
    except FileNotFoundError as error:
        raise PermanentError(
            f"the image {image.digest} is damaged",
            details=str(error),
            resolution=f"Remove it (`sealock image remove {image.digest[:19]}`) and build it again.",
        ) from error
    finally:
        for descriptor in opened:
            os.close(descriptor)
