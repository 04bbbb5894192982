"""A guest knocks at everything it must not reach: this host, private networks, the cloud, its neighbours.

On a host network made for these tests, where each of those places really answers. Every barrier is also
seen removed: the same knock then gets through, so a refusal is the barrier's doing.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.core.machine import Machine, MachineSpec, NetworkPolicy
from sealock.machines import firewall
from sealock.machines.image.store import ImageStore
from sealock.machines.options import MachineOptions
from sealock.machines.qemu import QemuMachines
from tests.support import pretend_host
from tests.support.machines import sh
from tests.support.pretend_host import LOOPBACK_PORT, METADATA, MIRROR, PRIVATE, PUBLIC, World, remove_rules
from tests.support.probe import Place, knock, reached

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

OPEN = {Place("tcp", PUBLIC, 80), Place("tcp", PUBLIC, 8000), Place("udp", PUBLIC, 8000)}
NAMES = {Place("udp", firewall.RESOLVER, 53)}
MAIL = {Place("tcp", PUBLIC, 25)}
HOST = {
    Place(protocol, address, 8000)
    for protocol in ("tcp", "udp")
    for address in (pretend_host.HOST, pretend_host.HOST_PRIVATE)
}
INSIDE = {
    *(Place(protocol, address, 8000) for protocol in ("tcp", "udp") for address in PRIVATE),
    Place("udp", MIRROR, 53),
    Place("tcp", METADATA, 80),
    Place("udp", METADATA, 53),
}
LOOPBACK = {
    Place("tcp", firewall.UPLINK_GATEWAY, LOOPBACK_PORT),
    Place("tcp", firewall.GATEWAY, LOOPBACK_PORT),
}
OURS = {
    Place(protocol, address, port)
    for protocol, port in (("tcp", 8000), ("tcp", 22), ("udp", 8000))
    for address in (firewall.GATEWAY, firewall.UPLINK, firewall.UPLINK_GATEWAY, firewall.RESOLVER)
}
FORBIDDEN = {*MAIL, *HOST, *INSIDE, *LOOPBACK, *OURS}


@pytest.fixture(scope="module")
async def guest(there: QemuMachines, online: MachineSpec) -> AsyncIterator[Machine]:
    """A machine with the default policy, whose rules stay as they are."""
    async with there.machine(online) as machine:
        yield machine


async def test_the_internet_and_names_are_reached(guest: Machine) -> None:
    assert await reached(guest, (), surely={*OPEN, *NAMES}) == {*OPEN, *NAMES}
    assert await sh(guest, "cat /etc/resolv.conf | grep nameserver") == f"nameserver {firewall.RESOLVER}"


async def test_nothing_of_this_host_and_nothing_private_is(guest: Machine, world: World) -> None:
    before = len(world.knocks)
    assert await reached(guest, FORBIDDEN) == set()
    assert world.knocks[before:] == []


async def test_a_build_is_told_at_once(guest: Machine) -> None:
    """A refusal that is only silence would cost every mistaken build minutes."""
    said = await knock(guest, {place for place in {*INSIDE, *HOST, *MAIL} if place.protocol == "tcp"})
    assert set(said.values()) == {"Connection refused"}, said


async def test_all_of_it_would_be_without_the_rules(there: QemuMachines, online: MachineSpec) -> None:
    """The barrier removed. That the host's loopback stays closed is pasta's own doing: see below."""
    async with there.machine(online) as machine:
        remove_rules(machine)
        assert await reached(machine, (), surely={*MAIL, *HOST, *INSIDE}) == {*MAIL, *HOST, *INSIDE}
        assert await reached(machine, LOOPBACK) == set()


async def test_the_loopback_would_be_if_pasta_mapped_its_gateway(
    world: World, machine_options: MachineOptions, image_store: ImageStore, online: MachineSpec
) -> None:
    """Both barriers removed, then one of them back in its place."""
    place = Place("tcp", firewall.UPLINK_GATEWAY, LOOPBACK_PORT)
    with tempfile.TemporaryDirectory() as directory:
        wrapper = Path(directory) / "pasta"
        wrapper.write_text(
            '#!/bin/bash\nfor word; do shift; [ "$word" = --no-map-gw ] || set -- "$@" "$word"; done\n'
            f'exec {machine_options.pasta} "$@"\n'
        )
        wrapper.chmod(0o755)
        Path(directory).chmod(0o755)
        options = replace(machine_options, pasta=str(wrapper))
        async with (
            QemuMachines.from_options(options, image_store) as machines,
            machines.machine(online) as machine,
        ):
            assert await reached(machine, [place]) == set()
            remove_rules(machine)
            assert await reached(machine, (), surely=[place]) == {place}


@pytest.mark.parametrize("policy", [NetworkPolicy.NONE, NetworkPolicy.GIT_ONLY])
async def test_without_the_internet_nothing_is_reached(
    there: QemuMachines, online: MachineSpec, world: World, policy: NetworkPolicy
) -> None:
    before = len(world.knocks)
    async with there.machine(replace(online, network=policy)) as machine:
        assert await reached(machine, {*OPEN, *NAMES, *FORBIDDEN}) == set()
        said = await knock(machine, {place for place in {*OPEN, *MAIL, *INSIDE} if place.protocol == "tcp"})
        assert set(said.values()) == {"Connection refused"}, "a build is to be told at once"
        # Not even with the rules gone: there is nothing that would carry it.
        remove_rules(machine)
        assert await reached(machine, {*OPEN, *NAMES, *INSIDE}) == set()
    assert world.knocks[before:] == []


async def test_git_only_reaches_the_git_server_and_no_more(
    there: QemuMachines, online: MachineSpec, world: World
) -> None:
    spec = replace(online, network=NetworkPolicy.GIT_ONLY, git_server=(PUBLIC, 8000))
    async with there.machine(spec) as machine:
        server = {Place("tcp", PUBLIC, 8000)}
        assert await reached(machine, {*OPEN, *NAMES, *FORBIDDEN}, surely=server) == server
        remove_rules(machine)
        assert await reached(machine, (), surely=OPEN) == OPEN


@pytest.mark.parametrize("address", [MIRROR, METADATA, pretend_host.HOST])
async def test_a_git_server_inside_stays_closed(
    there: QemuMachines, online: MachineSpec, world: World, address: str
) -> None:
    """A project's address is its owner's choice, and must not open what the operator did not."""
    port = 80 if address == METADATA else 8000
    spec = replace(online, network=NetworkPolicy.GIT_ONLY, git_server=(address, port))
    async with there.machine(spec) as machine:
        assert await reached(machine, [Place("tcp", address, port)]) == set()


async def test_a_git_server_inside_is_opened_by_the_operator(
    world: World, machine_options: MachineOptions, image_store: ImageStore, online: MachineSpec
) -> None:
    spec = replace(online, network=NetworkPolicy.GIT_ONLY, git_server=(MIRROR, 8000))
    async with allowed(machine_options, image_store, spec, MIRROR) as machine:
        server = {Place("tcp", MIRROR, 8000)}
        assert await reached(machine, {*OPEN, *FORBIDDEN}, surely=server) == server


@asynccontextmanager
async def allowed(
    options: MachineOptions, images: ImageStore, spec: MachineSpec, *allow: str
) -> AsyncIterator[Machine]:
    async with (
        QemuMachines.from_options(replace(options, network_allow=allow), images) as machines,
        machines.machine(spec) as machine,
    ):
        yield machine


async def test_an_exception_opens_what_it_names_and_no_more(
    world: World, machine_options: MachineOptions, image_store: ImageStore, online: MachineSpec
) -> None:
    mirror = {Place(protocol, MIRROR, 8000) for protocol in ("tcp", "udp")} | {Place("udp", MIRROR, 53)}
    async with allowed(machine_options, image_store, online, MIRROR) as machine:
        assert await reached(machine, FORBIDDEN, surely=mirror) == mirror
        assert await reached(machine, [Place("tcp", MIRROR, 25)]) == set()


async def test_an_exception_for_a_range_does_not_open_this_host(
    world: World, machine_options: MachineOptions, image_store: ImageStore, online: MachineSpec
) -> None:
    """A range is written for what is in it; that this host has an address in it is easily overlooked."""
    async with allowed(machine_options, image_store, online, "10.77.0.0/16", "198.51.100.0/24") as machine:
        mirror = {Place("tcp", MIRROR, 8000)}
        assert await reached(machine, HOST, surely=mirror) == mirror


async def test_this_host_can_be_named_itself(
    world: World, machine_options: MachineOptions, image_store: ImageStore, online: MachineSpec
) -> None:
    named = pretend_host.HOST_PRIVATE
    async with allowed(machine_options, image_store, online, named) as machine:
        it = {Place("tcp", named, 8000), Place("udp", named, 8000)}
        assert await reached(machine, HOST, surely=it) == it


async def test_no_port_of_this_host_is_taken(guest: Machine, world: World) -> None:
    """Nobody on the host can connect to a machine, and nobody who reaches the host can."""
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        rows = Path(f"/proc/thread-self/net/{kind}").read_text().splitlines()[1:]
        listening = {
            int(row.split()[1].rpartition(":")[2], 16) for row in rows if row.split()[3] in {"0A", "07"}
        }
        ours = {*pretend_host.TCP_PORTS, *pretend_host.UDP_PORTS, LOOPBACK_PORT}
        # What pasta sends from is no port anybody can connect to: it only takes answers.
        assert kind.startswith("udp") or listening <= ours
