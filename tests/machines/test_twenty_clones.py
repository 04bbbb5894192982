"""Twenty clones of one template: none shares an identity, a random number or a wrong clock with another."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from sealock.core.machine import Machine, MachineSpec, Origin
from sealock.machines import firewall
from sealock.machines.qemu import QemuMachines
from tests.support.pretend_host import namespace_of, run_inside

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

COUNT = 20
AT_ONCE = 4
# One line each, in the order of `NAMES`, then the clock. Last it asks for a connection nobody takes, from a
# port that is the same in all clones: what differs is the sequence number its kernel chooses.
ASK = r"""
use strict; use Socket; use Time::HiRes;
sub slurp { open my $file, '<', $_[0] or die "$_[0]: $!"; read $file, my $content, $_[1] // 4096; $content }
print slurp($_) for '/etc/machine-id', map "/proc/sys/kernel/random/$_", 'boot_id', 'uuid';
print slurp('/proc/sys/kernel/hostname'), unpack('H*', slurp('/dev/urandom', 32)), "\n";
print int(rand 2 ** 53), "\n";
my @open;
print join(' ', map {
  socket(my $each, PF_INET, SOCK_DGRAM, 0); bind($each, sockaddr_in(0, INADDR_ANY)); push @open, $each;
  (sockaddr_in(getsockname $each))[0] } 1 .. 8), "\n";
printf "%.6f\n", Time::HiRes::time();
$| = 1; socket(my $knock, PF_INET, SOCK_STREAM, 0); bind($knock, sockaddr_in(4321, INADDR_ANY));
$SIG{ALRM} = sub { exit 0 }; alarm 1; connect($knock, sockaddr_in(9, inet_aton('10.0.2.2')));
"""
NAMES = ("machine id", "boot id", "uuid", "host name", "urandom", "seed", "ports")
# The kernel adds the time to a sequence number, in units of 64 ns; the number wraps after 275 seconds.
TICKS_A_SECOND = 10**9 / 64
WRAP = 2**32


@dataclass(frozen=True)
class Clone:
    """What one clone said of itself. offset: its sequence number less what the time added to it.
    wrong: seconds its clock differs from ours."""

    said: dict[str, str]
    fingerprint: str
    offset: float
    wrong: float


@pytest.fixture(scope="module")
async def clones(machines: QemuMachines, spec: MachineSpec) -> AsyncIterator[list[Clone]]:
    """All of them, a few at a time."""
    await machines.prepare(spec)
    turn = asyncio.Semaphore(AT_ONCE)

    async def one() -> Clone:
        async with turn, machines.machine(spec) as machine:
            assert machine.record.origin is Origin.CLONE
            return await _ask(machine)

    yield list(await asyncio.gather(*(one() for _ in range(COUNT))))


async def _ask(machine: Machine) -> Clone:
    wire = run_inside(
        namespace_of(machine),
        lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)),
    )
    with wire:
        wire.bind((firewall.TAP, 0x0800))
        wire.setblocking(False)
        listening = asyncio.create_task(_first_sequence_number(wire))
        before = time.time()
        done = await machine.run(["perl", "-e", ASK])
        assert done.exit_code == 0, done.stderr
        after = time.time()
        offset = await asyncio.wait_for(listening, 10)
    *said, clock = done.stdout.decode().splitlines()
    seconds = float(clock)
    wrong = max(before - seconds, seconds - after, 0.0)
    return Clone(dict(zip(NAMES, said, strict=True)), machine.record.host_key_fingerprint, offset, wrong)


async def _first_sequence_number(wire: socket.socket) -> float:
    """Of the connection from port 4321, less the time's part."""
    while True:
        packet = await asyncio.get_running_loop().sock_recv(wire, 2048)
        at = time.time()
        header = 4 * (packet[0] & 15)
        segment = packet[header:]
        if packet[9] == 6 and int.from_bytes(segment[:2]) == 4321:
            return (int.from_bytes(segment[4:8]) - at * TICKS_A_SECOND) % WRAP


@pytest.mark.parametrize("what", NAMES)
async def test_no_two_have_the_same(clones: list[Clone], what: str) -> None:
    values = [clone.said[what] for clone in clones]
    assert all(values)
    assert len(set(values)) == COUNT, values


async def test_no_two_prove_themselves_by_the_same_key(clones: list[Clone]) -> None:
    assert len({clone.fingerprint for clone in clones}) == COUNT


async def test_sequence_numbers_are_not_of_one_secret(clones: list[Clone]) -> None:
    """With one secret in all clones, only the time would be in the difference. Two may be close by chance."""
    near = 2 * TICKS_A_SECOND
    for clone in clones:
        alike = [other for other in clones if min(d := (other.offset - clone.offset) % WRAP, WRAP - d) < near]
        assert len(alike) <= 4, sorted(each.offset for each in clones)


async def test_every_clock_is_right_within_a_second(clones: list[Clone]) -> None:
    assert max(clone.wrong for clone in clones) < 1
