"""Knocks at many places at once from within a machine, over TCP and UDP, and tells which answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sealock.core.machine import Machine

# Perl, because every image has it. The first argument is the patience in seconds, each other
# "protocol,address,port".
_PERL = r"""
use strict; use Socket qw(:all); use Fcntl; use Errno; use Time::HiRes;
my $patience = shift;
my (%open, $bits); $bits = '';
for my $place (@ARGV) {
  my ($protocol, $address, $port) = split /,/, $place;
  my $family = $address =~ /:/ ? AF_INET6 : AF_INET;
  socket(my $socket, $family, $protocol eq 'tcp' ? SOCK_STREAM : SOCK_DGRAM, 0) or next;
  fcntl($socket, F_SETFL, O_NONBLOCK);
  setsockopt($socket, SOL_SOCKET, SO_BROADCAST, 1);
  my $packed = inet_pton($family, $address);
  my $to = $family == AF_INET ? pack_sockaddr_in($port, $packed) : pack_sockaddr_in6($port, $packed);
  connect($socket, $to) or $!{EINPROGRESS} or (print("$place $!\n"), next);
  if ($protocol eq 'udp') { defined(send($socket, 'ping', 0)) or (print("$place $!\n"), next) }
  $open{fileno $socket} = [$socket, $place];
  vec($bits, fileno $socket, 1) = 1;
}
my $end = Time::HiRes::time() + $patience;
while (%open && (my $left = $end - Time::HiRes::time()) > 0) {
  select(my $ready = $bits, undef, undef, $left) > 0 or last;
  for my $number (grep { vec($ready, $_, 1) } keys %open) {
    my ($socket, $place) = @{$open{$number}};
    my $data; my $count = sysread($socket, $data, 100);
    next if !defined $count && $!{EAGAIN};
    delete $open{$number}; vec($bits, $number, 1) = 0;
    print "$place ", (defined $count ? ($count ? $data : 'closed') : "$!"), "\n";
  }
}
print "$_->[1] silence\n" for values %open;
"""


@dataclass(frozen=True, order=True)
class Place:
    """protocol: `tcp` or `udp`."""

    protocol: str
    address: str
    port: int


async def knock(
    machine: Machine, places: Iterable[Place], *, root: bool = False, patience: float = 3.0
) -> dict[Place, str]:
    """What came back from each: `reached`, `silence` for so many seconds, or what the guest's kernel says."""
    wanted = list(places)
    names = [f"{place.protocol},{place.address},{place.port}" for place in wanted]
    done = await machine.run(["perl", "-e", _PERL, str(patience), *names], root=root)
    assert done.exit_code == 0, done.stderr
    answers = dict(line.split(" ", 1) for line in done.stdout.decode().splitlines())
    return {place: answers.get(name, "cannot") for place, name in zip(wanted, names, strict=True)}


async def reached(
    machine: Machine, places: Iterable[Place], *, root: bool = False, surely: Iterable[Place] = ()
) -> set[Place]:
    """Those that answered. surely: those of them that are to, and have as long as a busy host needs."""
    awaited = set(surely)
    said = await knock(machine, set(places) - awaited, root=root)
    said |= await knock(machine, awaited, root=root, patience=60.0)
    return {place for place, answer in said.items() if answer == "reached"}
