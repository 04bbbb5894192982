"""Root in the guest puts together frames by hand: other senders, other protocols, fragments, tunnels, IPv6.

What leaves the machine's namespace is watched on the wire behind the rules, so that nothing depends on
whether anybody would have answered.
"""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator

import pytest

from sealock.core.machine import Machine, MachineSpec
from sealock.machines import firewall
from sealock.machines.hardware import GUEST_MAC
from sealock.machines.qemu import QemuMachines
from tests.support.machines import sh
from tests.support.pretend_host import (
    HOST,
    HOST_PRIVATE,
    METADATA,
    MIRROR,
    PUBLIC,
    World,
    namespace_of,
    remove_rules,
    run_inside,
)
from tests.support.probe import Place, reached

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
OPEN = Place("udp", PUBLIC, 8000)
TARGETS = (HOST, HOST_PRIVATE, MIRROR, METADATA, firewall.UPLINK_GATEWAY, "224.0.0.1", "255.255.255.255")
_FRAMES = r"""
use strict; use Socket qw(:all);
my ($mine, $gateway) = ("\x52\x54\0\x5e\xa1\x0f", "\x52\x54\0\x5e\xa1\x02");
my ($index) = do { open my $f, '<', '/sys/class/net/eth0/ifindex' or die; <$f> };
sub sum { my $s = 0; $s += $_ for unpack 'n*', $_[0] . (length($_[0]) % 2 ? "\0" : '');
  $s = ($s & 0xffff) + ($s >> 16) while $s >> 16; ~$s & 0xffff }
sub ip { my ($from, $to, $protocol, $data, $options, $fragment) = (@_, '', 0);
  my $head = sub { pack 'CCnnnCCna4a4a*', 0x45 + length($options) / 4, 0,
    20 + length($options) + length $data, 77, $fragment, 64, $protocol, $_[0],
    inet_aton($from), inet_aton($to), $options };
  $head->(sum($head->(0))) . $data }
sub udp { pack('nnnn', 4000, $_[0], 12, 0) . 'ping' }
sub syn { my ($from, $to, $port) = @_;
  my $t = sub { pack 'nnNNCCnnn', 4001, $port, 1, 0, 0x50, 2, 1024, $_[0], 0 };
  $t->(sum(inet_aton($from) . inet_aton($to) . pack('nn', 6, 20) . $t->(0))) }
sub echo { my $e = sub { pack 'CCnnn', 8, 0, $_[0], 1, 1 }; $e->(sum($e->(0))) }
socket(my $wire, 17, SOCK_RAW, 0) or die "packet socket: $!";
sub put { my ($type, $data, $to) = @_;
  send($wire, ($to // $gateway) . $mine . pack('n', $type) . $data, 0,
    pack('SnlSCCa8', 17, $type, $index, 0, 0, 6, $to // $gateway)) or die "send: $!" }
my $me = '10.0.2.15';
for my $to (split /,/, $ARGV[0]) {
  put(0x800, ip($me, $to, 17, udp(8000)));
  put(0x800, ip($me, $to, 1, echo()));
  put(0x800, ip($me, $to, 6, syn($me, $to, 8000)));
  put(0x800, ip($me, $to, 47, 'tunnel'));
  # In two fragments, the first too short to hold the ports.
  put(0x800, ip($me, $to, 17, substr(udp(8000), 0, 8), '', 0x2000));
  put(0x800, ip($me, $to, 17, substr(udp(8000), 8), '', 1));
  # As somebody else: the gateway, the host's side of the uplink, an outsider, the host's loopback.
  put(0x800, ip($_, $to, 17, udp(8000)))
    for '10.0.2.2', '10.111.0.1', '10.111.0.2', '203.0.113.9', '127.0.0.1';
  # By way of a public server, with a source route in the header; and inside of another packet.
  put(0x800, ip($me, '203.0.113.5', 17, udp(8000), pack('CCCa4C', 131, 7, 4, inet_aton($to), 0)));
  put(0x800, ip($me, '10.0.2.2', 4, ip($me, $to, 17, udp(8000))));
}
my $six = pack('Nnca', 0x60000000, 12, 17, "\x40")
  . inet_pton(AF_INET6, 'fd00::15') . inet_pton(AF_INET6, '2001:db8::5') . udp(8000);
put(0x86dd, $six);
# "I am the gateway", "I am you", "I am a thousand others", to everybody.
for my $claimed ('10.0.2.2', '10.111.0.1', '10.111.0.2', map { "10.0.2.$_" } 100 .. 199) {
  put(0x806, pack('nnCCna6a4a6a4', 1, 0x800, 6, 4, $_, $mine, inet_aton($claimed), $gateway,
    inet_aton('10.0.2.2')), "\xff" x 6) for 1, 2;
}
print "sent\n";
"""


class Tap:
    """Sees every IP packet that a machine sends past the rules, as (sender, receiver)."""

    def __init__(self, machine: Machine) -> None:
        self._socket = run_inside(
            namespace_of(machine), lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        )
        self._socket.bind((firewall.UPLINK_DEVICE, 3))
        self._socket.settimeout(0.3)

    def seen(self, seconds: float = 1.5) -> set[tuple[str, str]]:
        """What passes from now on for that long. Frames of other protocols have `` as addresses."""
        found, deadline = set(), time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                data, (_, protocol, kind, *_) = self._socket.recvfrom(2048)
            except TimeoutError:
                continue
            if kind == socket.PACKET_OUTGOING and protocol != 0x0806:
                found.add(_ends(data) if protocol == 0x0800 else ("", ""))
        return found

    def close(self) -> None:
        self._socket.close()


def _ends(packet: bytes) -> tuple[str, str]:
    return socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])


@pytest.fixture
async def machine(there: QemuMachines, online: MachineSpec) -> AsyncIterator[Machine]:
    async with there.machine(online) as made:
        yield made


async def attack(machine: Machine) -> set[tuple[str, str]]:
    """What root in the guest gets past the rules."""
    await sh(machine, "sysctl -qw net.ipv6.conf.all.disable_ipv6=0", root=True)
    tap = Tap(machine)
    try:
        done = await machine.run(["perl", "-e", _FRAMES, ",".join(TARGETS)], root=True)
        assert done.stdout == b"sent\n", done.stderr
        # What is sent after them and has been answered says that they have been dealt with, too.
        assert await reached(machine, (), surely=[OPEN]) == {OPEN}
        return tap.seen()
    finally:
        tap.close()


async def test_nothing_made_by_hand_gets_past_the_rules(machine: Machine, world: World) -> None:
    before = len(world.knocks)
    passed = await attack(machine)
    assert {receiver for _, receiver in passed} <= {PUBLIC}
    assert {sender for sender, _ in passed} <= {firewall.UPLINK}
    assert [knock for knock in world.knocks[before:] if knock[1] != PUBLIC] == []


async def test_whoever_claims_to_be_another_is_not_believed(machine: Machine) -> None:
    await attack(machine)
    listed = run_inside(namespace_of(machine), _neighbours)
    assert listed == {(firewall.GUEST, GUEST_MAC, firewall.TAP)}
    assert await sh(machine, "echo still here") == "still here"


def _neighbours() -> set[tuple[str, str, str]]:
    with open("/proc/thread-self/net/arp", encoding="ascii") as table:  # noqa: PTH123
        rows = [line.split() for line in table.readlines()[1:]]
    return {(row[0], row[3], row[5]) for row in rows if row[5] == firewall.TAP or row[3] == GUEST_MAC}


async def test_they_would_without_the_rules(machine: Machine) -> None:
    remove_rules(machine)
    receivers = {receiver for _, receiver in await attack(machine)}
    assert receivers >= {HOST, HOST_PRIVATE, MIRROR, METADATA}
