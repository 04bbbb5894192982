"""A host network made for a test, with a world around it in which every forbidden place really answers.

    machine ── pasta ── [ host: this thread ] ── eth0 ══ eth0 ── [ world ]

The thread that enters it, and every program it starts, finds itself on a host with a public and a
private address. In the world lie a public server, private networks, the cloud's metadata address and a
name server. Nothing of the real host's network is touched or reachable.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import selectors
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sealock.core.machine import Machine
from sealock.machines.marks import PREFIX

HOST = "198.51.100.10"
HOST_PRIVATE = "10.77.0.1"
ROUTER = "198.51.100.1"
PUBLIC = "203.0.113.5"
MIRROR = "10.77.0.2"
PRIVATE = (MIRROR, "10.77.0.3", "172.20.0.2", "192.168.77.2", "100.64.0.2", "198.18.0.2")
METADATA = "169.254.169.254"
PUBLIC_6 = "2001:db8::5"
TCP_PORTS = (25, 53, 80, 8000)
UDP_PORTS = (53, 8000)
LOOPBACK_PORT = 9000
T = TypeVar("T")

_WITHOUT_RULES = """\
flush ruleset
table ip open {
  chain leaving {
    type nat hook postrouting priority srcnat
    oifname "up0" masquerade
  }
}
"""
_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


class Responder(threading.Thread):
    """Answers `reached` on every socket it was given, to TCP connections and UDP datagrams alike."""

    def __init__(self) -> None:
        super().__init__(name="responder", daemon=True)
        self.knocks: list[tuple[str, str, int, str]] = []
        self._selector = selectors.DefaultSelector()
        self._over = threading.Event()

    def serve(self, namespace: str, address: str, port: int, kind: socket.SocketKind) -> None:
        """Listen there, in that namespace."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        server = run_inside(namespace, lambda: socket.socket(family, kind))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_DGRAM and family == socket.AF_INET:
            server.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO: answers leave where they came in
        server.bind((address, port))
        if kind == socket.SOCK_STREAM:
            server.listen(64)
        server.setblocking(False)
        self._selector.register(server, selectors.EVENT_READ)

    def run(self) -> None:
        while not self._over.is_set():
            for key, _ in self._selector.select(0.2):
                with suppress(OSError):
                    self._answer(key.fileobj)

    def close(self) -> None:
        self._over.set()
        if self.ident is not None:
            self.join()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()

    def _answer(self, server: object) -> None:
        assert isinstance(server, socket.socket)
        if server.type == socket.SOCK_STREAM:
            connection, peer = server.accept()
            with connection:
                here = connection.getsockname()
                self.knocks.append(("tcp", here[0], here[1], peer[0]))
                connection.sendall(b"reached")
            return
        _, ancillary, _, peer = server.recvmsg(4096, 256)
        port = server.getsockname()[1]
        # struct in_pktinfo: interface, address here, address in the header.
        address = next((socket.inet_ntoa(data[8:12]) for _, _, data in ancillary), "")
        self.knocks.append(("udp", address, port, peer[0]))
        server.sendmsg([b"reached"], [(level, kind, data) for level, kind, data in ancillary], 0, peer)


@dataclass
class World:
    """host, world: names of the two network namespaces. knocks: what reached a server, as (`tcp` or
    `udp`, the server's address, its port, where it came from)."""

    host: str
    world: str
    responder: Responder = field(default_factory=Responder)

    @property
    def knocks(self) -> list[tuple[str, str, int, str]]:
        return self.responder.knocks


@contextmanager
def pretend_host() -> Iterator[World]:
    """Enter such a host for as long as the block lasts, in this thread and what it starts."""
    name = secrets.token_hex(4)
    made = World(f"test-host-{name}", f"test-world-{name}")
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        for each in (made.host, made.world):
            _ip(f"netns add {each}")
        _lay(made)
        _serve(made)
        made.responder.start()
        _enter(made.host)
        yield made
    finally:
        _set(here)
        os.close(here)
        made.responder.close()
        for each in (made.host, made.world):
            if (Path("/run/netns") / each).exists():
                _ip(f"netns delete {each}")


def run_inside(namespace: str, work: Callable[[], T]) -> T:
    """What `work` returns, done in that namespace; raises what it raises."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            _enter(namespace)
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def namespace_of(machine: Machine) -> str:
    """The name of a machine's network namespace."""
    return f"{PREFIX}{machine.record.id}"


def remove_rules(machine: Machine) -> None:
    """Take a machine's barrier away: everything is passed on."""
    nft = ["ip", "netns", "exec", namespace_of(machine), "nft", "-f", "-"]
    subprocess.run(nft, input=_WITHOUT_RULES, text=True, check=True)


def resolvers() -> list[str]:
    """The name servers of this host, which pasta will ask."""
    rows = (line.split() for line in Path("/etc/resolv.conf").read_text().splitlines())
    return [row[1] for row in rows if row[:1] == ["nameserver"] and ":" not in row[1]]


def _lay(world: World) -> None:
    _ip(f"link add eth0 netns {world.host} type veth peer name eth0 netns {world.world}")
    for each in (world.host, world.world):
        _ip(f"-n {each} link set lo up")
        _ip(f"-n {each} link set eth0 up")
    _ip(f"-n {world.host} address add {HOST}/24 dev eth0")
    _ip(f"-n {world.host} address add {HOST_PRIVATE}/24 dev eth0")
    _ip(f"-n {world.host} -6 address add 2001:db8::10/64 dev eth0 nodad")
    _ip(f"-n {world.world} address add {ROUTER}/24 dev eth0")
    _ip(f"-n {world.world} -6 address add {PUBLIC_6}/64 dev eth0 nodad")
    _ip(f"-n {world.host} route add default via {ROUTER}")
    there = {PUBLIC, METADATA, *PRIVATE, *(each for each in resolvers() if not each.startswith("127."))}
    for address in sorted(there):
        _ip(f"-n {world.world} address add {address}/32 dev eth0")
    # Two of them are neighbours on the wire.
    _ip(f"-n {world.world} route add {HOST_PRIVATE}/32 dev eth0")


def _serve(world: World) -> None:
    for namespace in (world.host, world.world):
        for port in TCP_PORTS:
            world.responder.serve(namespace, "0.0.0.0", port, socket.SOCK_STREAM)  # noqa: S104
        for port in UDP_PORTS:
            world.responder.serve(namespace, "0.0.0.0", port, socket.SOCK_DGRAM)  # noqa: S104
        world.responder.serve(namespace, "::", 8000, socket.SOCK_STREAM)
    world.responder.serve(world.host, "127.0.0.1", LOOPBACK_PORT, socket.SOCK_STREAM)


def _ip(arguments: str) -> None:
    done = subprocess.run(["ip", *arguments.split()], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {arguments}: {done.stderr}"


def _enter(namespace: str) -> None:
    descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _set(descriptor)
    finally:
        os.close(descriptor)


def _set(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "cannot enter the network namespace")
