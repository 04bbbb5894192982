"""Root in a guest owns its SSH server, and with it the other end of our connection.

Here that end is a server of the test's, with the guest's own host key, which does what no honest one
does: it asks for channels back to this host.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

from sealock.core.image import Image
from sealock.core.machine import MachineSpec, Origin
from sealock.machines import network
from sealock.machines.guest import Guest
from sealock.machines.qemu import QemuMachines

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


class Rogue(asyncssh.SSHServer):
    """Lets us in, and keeps its end of the connection for the test."""

    def __init__(self, keep: Callable[[asyncssh.SSHServerConnection], None]) -> None:
        self._keep = keep

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._keep(conn)

    def begin_auth(self, username: str) -> bool:
        return False

    def server_requested(self, listen_host: str, listen_port: int) -> bool:
        return True


class Wire(network.Network):
    """Leads to the rogue in place of a guest."""

    def __init__(self, port: int) -> None:
        super().__init__("none")
        self._port = port

    async def connect(self) -> socket.socket:
        end = socket.socket()
        end.setblocking(False)
        await asyncio.get_running_loop().sock_connect(end, ("127.0.0.1", self._port))
        return end


@dataclass
class Ends:
    """ours: the connection a build would use. theirs: the rogue's end of it."""

    ours: asyncssh.SSHClientConnection
    theirs: asyncssh.SSHServerConnection


@pytest.fixture
async def ends(machines: QemuMachines, spec: MachineSpec, base_image: Image) -> AsyncIterator[Ends]:
    guest = Guest(machines.host, base_image, spec, Origin.CLONE)
    kept: list[asyncssh.SSHServerConnection] = []
    server = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[guest.identity.host_key], server_factory=lambda: Rogue(kept.append)
    )
    async with server:
        ours = await guest._connect(Wire(server.get_port()))
        yield Ends(ours, kept[0])
        ours.abort()
        await ours.wait_closed()


@pytest.fixture
async def service() -> AsyncIterator[tuple[int, list[str]]]:
    """Something that listens on this host's loopback, and who came."""
    came: list[str] = []

    def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append("somebody")
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], came
    server.close()
    await server.wait_closed()


async def test_it_opens_no_connection_to_this_host(ends: Ends, service: tuple[int, list[str]]) -> None:
    port, came = service
    with pytest.raises(asyncssh.ChannelOpenError):
        await ends.theirs.open_connection("127.0.0.1", port)
    assert came == []


async def test_it_opens_no_unix_socket_of_this_host(ends: Ends, tmp_path: Path) -> None:
    came: list[str] = []
    server = await asyncio.start_unix_server(lambda *_: came.append("somebody"), tmp_path / "socket")
    with pytest.raises(asyncssh.ChannelOpenError):
        await ends.theirs.open_unix_connection(str(tmp_path / "socket"))
    server.close()
    await server.wait_closed()
    assert came == []


async def test_it_gets_no_agent(ends: Ends, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not even where whoever runs us has one."""
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    with pytest.raises(asyncssh.ChannelOpenError):
        await ends.theirs.open_agent_connection()


async def test_what_is_served_is_served_there_alone(ends: Ends, service: tuple[int, list[str]]) -> None:
    """While a port is served for the fetch, it leads to what it is served for, whatever is asked."""
    port, came = service
    answered = []

    def answer(_: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
        answered.append("ours")
        writer.close()

    listener = await ends.ours.start_server(lambda _host, _port: answer, "127.0.0.1", 0)
    with pytest.raises(asyncssh.ChannelOpenError):
        await ends.theirs.open_connection("10.0.2.2", listener.get_port())
    _, writer = await ends.theirs.open_connection("127.0.0.1", port)
    writer.close()
    async with asyncio.timeout(60):
        while not answered:  # noqa: ASYNC110 - the other end tells nobody
            await asyncio.sleep(0.01)
    assert (came, answered) == ([], ["ours"])
    listener.close()
