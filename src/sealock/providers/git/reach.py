"""Which addresses a connection may go to: the public internet, and what the operator listed.

The ranges are written out, from IANA's special-purpose registries, because Python's own `is_global`
has changed its mind between releases. Of IPv6 only 2000::/3 is public; addresses that carry an IPv4
address inside are judged by that one.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence

from sealock.core.errors import UsageError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Range = ipaddress.IPv4Network | ipaddress.IPv6Network

_REFUSED: tuple[tuple[Range, str], ...] = tuple(
    (ipaddress.ip_network(text), why)
    for text, why in (
        ("0.0.0.0/8", "this host"),
        ("10.0.0.0/8", "in a private range"),
        ("100.64.0.0/10", "behind a carrier's address translation"),
        ("127.0.0.0/8", "this host's loopback"),
        ("168.63.129.16/32", "a cloud's own service"),
        ("169.254.0.0/16", "link-local, where clouds keep their metadata"),
        ("172.16.0.0/12", "in a private range"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "reserved for documentation"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "in a private range"),
        ("198.18.0.0/15", "reserved for benchmarks"),
        ("198.51.100.0/24", "reserved for documentation"),
        ("203.0.113.0/24", "reserved for documentation"),
        ("224.0.0.0/4", "a multicast group"),
        ("240.0.0.0/4", "reserved"),
        ("::1/128", "this host's loopback"),
        ("::/128", "this host"),
        ("fc00::/7", "in a private range"),
        ("fe80::/10", "link-local"),
        ("ff00::/8", "a multicast group"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "reserved for documentation"),
        ("3fff::/20", "reserved for documentation"),
    )
)
_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
_TRANSLATED = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


def why_refused(address: Address) -> str:
    """In a few words why a connection may not go there; empty if it may."""
    inner = _inside(address)
    if inner is not None:
        return why_refused(inner)
    for network, why in _REFUSED:
        if address in network:
            return why
    if isinstance(address, ipaddress.IPv6Address) and address not in _PUBLIC_6:
        return "reserved"
    return "an address of this host" if _is_ours(address) else ""


class AllowList:
    """What the operator permits beyond the public internet."""

    def __init__(self, entries: Sequence[str]) -> None:
        """UsageError if an entry is no DNS name, no address and no CIDR range."""
        self._names: set[str] = set()
        self._ranges: list[Range] = []
        for entry in entries:
            self._add(entry.strip().lower())

    def has(self, host: str, address: Address) -> bool:
        """Whether the operator listed this name, this address or a range it lies in."""
        return host in self._names or any(address in network for network in self._ranges)

    def _add(self, entry: str) -> None:
        try:
            self._ranges.append(ipaddress.ip_network(entry.strip("[]")))
            return
        except ValueError:
            pass
        if not _NAME.fullmatch(entry) or re.fullmatch(r"[0-9.]+", entry):
            raise UsageError(
                f"{entry!r} in the allow list is no DNS name, no address and no range",
                resolution="Write a name (git.example.com), an address (10.1.2.3) or a range (10.1.0.0/16) "
                "whose last bits are zero.",
            )
        self._names.add(entry)


def _inside(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address a packet to this IPv6 address would end up at, if it carries one."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    for inner in (address.ipv4_mapped, address.sixtofour):
        if inner is not None:
            return inner
    if int(address) > 1 and any(address in network for network in _TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _is_ours(address: Address) -> bool:
    """Only an address of this host can be bound to. Asking the kernel beats listing interfaces."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
