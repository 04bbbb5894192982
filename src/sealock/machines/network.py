"""A machine's network: a namespace of its own with a tap for the guest, filtered by nftables.

    guest ── tap0 ─[ namespace of this machine: nftables ]─ up0 ── pasta ── the host's sockets

pasta carries what the rules let through, as an unprivileged process; under the policy `none`,
and `git-only` without a Git server, there is no pasta at all. We reach the guest's port 22 over a socket
made in the namespace, so no port of the host is taken and nobody else on the host can connect.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from sealock.core.errors import PermanentError, UsageError
from sealock.core.machine import MachineSpec, NetworkPolicy
from sealock.machines import containment, firewall, marks
from sealock.machines.cgroup import Cgroup
from sealock.machines.child import Child, spawn
from sealock.machines.console import Ring
from sealock.machines.containment import User
from sealock.machines.hardware import GUEST_MAC
from sealock.machines.namespace import NAMESPACES, inside, open_tap
from sealock.machines.patience import to_the_end

GATEWAY_MAC = "52:54:00:5e:a1:02"
# pasta sets its device up in about 20 ms; a busy host may take a hundred times that.
UPLINK_PATIENCE = 10.0

# No ARP: each side is told who the other is. The kernel keeps one table of neighbours for all namespaces,
# and a guest that claims to be thousands of hosts would fill it for this host as well.
_LINKS = f"""\
link set lo up
link set {firewall.TAP} address {GATEWAY_MAC} arp off
address add {firewall.GATEWAY}/24 dev {firewall.TAP}
link set {firewall.TAP} up
neighbour replace {firewall.GUEST} lladdr {GUEST_MAC} dev {firewall.TAP} nud permanent
"""
# Where there is no uplink: what is sent out then meets the rules, which refuse it at once. Without a route
# the guest would be told by an ICMP error, of which the kernel sends only a few.
_NOWHERE = "route add default dev lo\n"


class Network:
    """One machine's network, made by `open_network`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tap = -1
        self.git: firewall.GitServer | None = None
        self.pasta: Child | None = None
        self._said: Ring | None = None

    def carry(self, pasta: Child) -> None:
        """Take over the pasta that connects this namespace."""
        self.pasta = pasta
        self._said = Ring(pasta.stderr)

    def open_tap(self) -> None:
        """Make the guest's device. Runs inside the namespace."""
        self.tap = open_tap(firewall.TAP)

    async def connect(self) -> socket.socket:
        """A socket connected to the guest's port 22. OSError if nobody answers there."""
        end = await inside(self.name, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        end.setblocking(False)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.get_running_loop().sock_connect(end, (firewall.GUEST, 22))
        except BaseException:
            end.close()
            raise
        return end

    async def up(self) -> None:
        """Wait until pasta carries. PermanentError if it does not: another machine would fare no better."""
        if self.pasta is None:
            return
        give_up = asyncio.Event()
        waiting = asyncio.create_task(inside(self.name, lambda: _has_default_route(give_up)))
        ended = asyncio.create_task(self.pasta.ended())
        try:
            await asyncio.wait({waiting, ended}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done() and waiting.result():
                return
        finally:
            give_up.set()
            ended.cancel()
            await asyncio.wait({waiting, ended})
        said = self._said.text() if self._said else ""
        raise PermanentError(
            "pasta did not start",
            details=said.strip(),
            resolution="Check that this host has a default route and that the program in the setting pasta "
            "runs; without it a machine has no way to the internet (network: none needs none).",
        )

    def close_tap(self) -> None:
        """Let go of our copy of the tap, once QEMU has its own."""
        if self.tap >= 0:
            os.close(self.tap)
            self.tap = -1

    async def close(self) -> int | None:
        """End pasta and remove the namespace. Returns the bytes pasta wrote to disk, None if the kernel
        does not count."""
        self.close_tap()
        written: int | None = 0
        if self.pasta is not None:
            self.pasta.kill()
            if self._said is not None:
                self._said.drain()
            written = (await self.pasta.reaped()).disk_bytes
        remove_namespace(self.name)
        return written


async def open_network(machine: str, spec: MachineSpec, *, allow: Sequence[str], pasta: Pasta) -> Network:
    """A new namespace with the guest's tap and the rules of that spec's policy in force.

    PermanentError if this host has no namespaces or nftables for us.
    """
    name = marks.PREFIX + machine
    _tool(["ip", "netns", "add", name])
    network = Network(name)
    try:
        await inside(name, network.open_tap)
        network.git = git = await _git_server(spec)
        rules = firewall.ruleset(spec.network, host=host_addresses(), allowed=await resolved(allow), git=git)
        outwards = spec.network is NetworkPolicy.INTERNET or git is not None
        await inside(name, lambda: _configure(rules, _LINKS if outwards else _LINKS + _NOWHERE))
        if outwards:
            network.carry(pasta.start(machine, name))
    except BaseException:
        await to_the_end(network.close())
        raise
    return network


async def _git_server(spec: MachineSpec) -> firewall.GitServer | None:
    """None where the policy leaves none open, or it has no IPv4 address; the fetch says why if it fails."""
    if spec.network is not NetworkPolicy.GIT_ONLY or spec.git_server is None:
        return None
    name, port = spec.git_server
    try:
        found = await _addresses(name)
    except (OSError, UnicodeError):
        return None
    return firewall.GitServer(name, tuple(found), port)


class Pasta:
    """Starts pasta for a machine."""

    def __init__(self, program: str, user: User, cgroup: Cgroup, owner: marks.Owner) -> None:
        self._program = program
        self._user = user
        self._cgroup = cgroup
        self._owner = owner

    def start(self, machine: str, namespace: str) -> Child:
        """A process that connects this namespace's `up0` to the host's sockets, outwards only."""
        argv = [
            *(
                self._program,
                "--foreground",
                "--quiet",
                "--netns-only",
                "--netns",
                str(NAMESPACES / namespace),
            ),
            *("--config-net", "--ns-ifname", firewall.UPLINK_DEVICE, "--ipv4-only", "--no-map-gw"),
            *("--address", firewall.UPLINK, "--netmask", "24", "--gateway", firewall.UPLINK_GATEWAY),
            *("--dns-forward", firewall.RESOLVER),
            *("--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns", "none"),
        ]
        chain = containment.for_pasta(argv, self._user, self._cgroup)
        return spawn(chain, pass_fds=(), mark=marks.environment(machine, self._owner))


def remove_namespace(name: str) -> bool:
    """Whether there was one."""
    if not (NAMESPACES / name).exists():
        return False
    _tool(["ip", "netns", "delete", name])
    return True


def host_addresses() -> list[str]:
    """This host's own IPv4 addresses, which no guest may reach whatever range they are in."""
    rows = json.loads(_tool(["ip", "-json", "-4", "address", "show"]))
    return [each["local"] for row in rows for each in row.get("addr_info", ())]


async def resolved(allow: Iterable[str]) -> list[firewall.Range]:
    """The operator's exceptions as ranges; names are looked up now.

    UsageError if an entry is neither a name that can be looked up, nor an IPv4 address or range.
    """
    ranges = []
    for entry in allow:
        try:
            ranges.append(firewall.Range(entry))
        except ipaddress.AddressValueError:
            ranges.extend(await _looked_up(entry))
        except ValueError as error:
            raise _bad_entry(entry, str(error)) from error
    return ranges


async def _looked_up(name: str) -> list[firewall.Range]:
    try:
        return await _addresses(name)
    except (OSError, UnicodeError) as error:
        raise _bad_entry(name, str(error)) from error


async def _addresses(name: str) -> list[firewall.Range]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    return [firewall.Range(str(address[0])) for *_, address in found]


def _bad_entry(entry: str, why: str) -> UsageError:
    return UsageError(
        f"network_allow: {entry!r} is neither a name this host can look up nor an IPv4 range",
        details=why,
        resolution="Write a host name, an address such as 10.1.2.3 or a range such as 10.1.0.0/16.",
    )


def _configure(rules: str, links: str) -> None:
    """Runs inside the namespace. The rules come first, so that no packet ever passes without them."""
    _tool(["nft", "-f", "-"], rules)
    _tool(["ip", "-batch", "-"], links)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _has_default_route(give_up: asyncio.Event) -> bool:
    """Runs inside the namespace, until pasta has set up its device."""
    deadline = time.monotonic() + UPLINK_PATIENCE
    while time.monotonic() < deadline and not give_up.is_set():
        rows = Path("/proc/thread-self/net/route").read_text().splitlines()[1:]
        if any(row.split()[:2] == [firewall.UPLINK_DEVICE, "00000000"] for row in rows):
            return True
        time.sleep(0.005)
    return False


def _tool(argv: list[str], text: str = "") -> str:
    """Run ip or nft. PermanentError with what it said if it fails.

    In a session of its own: Ctrl-C in a terminal goes to everybody there, and a tool that it ended half-way
    would be taken for a fault of this host, or leave the namespace it was to remove.
    """
    try:
        done = subprocess.run(
            argv, input=text, capture_output=True, text=True, check=True, timeout=30, start_new_session=True
        )
    except FileNotFoundError as error:
        raise PermanentError(
            f"the program {argv[0]} is missing",
            resolution="Install the packages iproute2 and nftables.",
        ) from error
    except subprocess.SubprocessError as error:
        said = getattr(error, "stderr", "") or str(error)
        raise PermanentError(
            f"cannot set up a machine's network ({' '.join(argv[:3])})",
            details=said.strip(),
            resolution="Run Sealock as root, on a kernel with network namespaces and nftables.",
        ) from error
    return done.stdout
