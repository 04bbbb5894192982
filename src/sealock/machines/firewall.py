"""What a guest may reach, as nftables rules. Text in, text out; `network` puts it in place.

The rules live in the machine's own network namespace, which belongs to root: nothing that runs for the
guest can change them. Everything is refused unless a line here lets it through.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from sealock.core.machine import NetworkPolicy

GUEST = "10.0.2.15"
GATEWAY = "10.0.2.2"
UPLINK = "10.111.0.2"
UPLINK_GATEWAY = "10.111.0.1"
RESOLVER = "10.111.0.3"
TAP = "tap0"
UPLINK_DEVICE = "up0"

# Special-purpose ranges (RFC 6890 and its updates): this host, private networks, shared address space,
# link-local with the cloud's metadata service, protocol assignments, benchmarks, multicast, reserved.
# The documentation ranges are left out: nothing of anybody's is there.
REFUSED = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
)

Range = ipaddress.IPv4Network


@dataclass(frozen=True)
class GitServer:
    """What `git-only` leaves open."""

    name: str
    addresses: tuple[Range, ...]
    port: int

    @property
    def ports(self) -> str:
        """The port it is fetched by, and those of SSH and HTTPS."""
        return ", ".join(map(str, sorted({22, 443, self.port} - {25})))

    @property
    def hosts(self) -> str:
        """Its lines for /etc/hosts: the guest can look up no other name."""
        return "".join(f"{each.network_address} {self.name}\n" for each in self.addresses)


def ruleset(
    policy: NetworkPolicy, *, host: Iterable[str], allowed: Iterable[Range], git: GitServer | None = None
) -> str:
    """The whole ruleset. host: this host's own addresses. allowed: the operator's exceptions; a range does
    not open this host itself, only its very address does. git: only looked at under `git-only`."""
    exceptions = list(allowed)
    own = [each for each in map(Range, host) if each not in exceptions]
    return f"""\
table inet sealock {{
  set allowed {{ type ipv4_addr; flags interval; auto-merge; {_elements(exceptions)} }}
  set own {{ type ipv4_addr; flags interval; auto-merge; {_elements(own)} }}
  set git {{ type ipv4_addr; flags interval; auto-merge; {_elements(git.addresses if git else ())} }}
  set refused {{ type ipv4_addr; flags interval; auto-merge; {_elements(map(Range, REFUSED))} }}
  chain input {{
    type filter hook input priority filter; policy drop;
    iifname "{TAP}" ct state established,related accept
  }}
  chain output {{
    type filter hook output priority filter; policy drop;
    oifname "{TAP}" ip daddr {GUEST} tcp dport 22 accept
    # The word that something is refused, without which a guest would wait for minutes.
    oifname "{TAP}" ip daddr {GUEST} ct state established,related accept
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
{_forward(policy, git)}
  }}
  chain leaving {{
    type nat hook postrouting priority srcnat;
    oifname "{UPLINK_DEVICE}" masquerade
  }}
}}
"""


def _forward(policy: NetworkPolicy, git: GitServer | None) -> str:
    """Without a policy that says otherwise nothing is passed on."""
    # Resets first: the kernel sends a guest only a few ICMP errors a second.
    refuse = ["meta l4proto tcp reject with tcp reset", "reject with icmp type admin-prohibited"]
    lines = [
        f'iifname "{UPLINK_DEVICE}" ct state established,related accept',
        f'iifname != "{TAP}" drop',
        f"ip saddr != {GUEST} drop",
        "meta nfproto != ipv4 drop",
    ]
    if policy is NetworkPolicy.GIT_ONLY and git is not None:
        git_server = f"ip daddr @git tcp dport {{ {git.ports} }}"
        lines += [
            *(f"ip daddr @own {each}" for each in refuse),
            f"ip daddr @allowed {git_server} accept",
            *(f"ip daddr @refused {each}" for each in refuse),
            f"{git_server} accept",
            *refuse,
        ]
    elif policy is not NetworkPolicy.INTERNET:
        lines += refuse
    else:
        lines += [
            "tcp dport 25 reject with tcp reset",
            f"ip daddr {RESOLVER} udp dport 53 accept",
            f"ip daddr {RESOLVER} tcp dport 53 accept",
            *(f"ip daddr @own {each}" for each in refuse),
            "ip daddr @allowed accept",
            *(f"ip daddr @refused {each}" for each in refuse),
            "accept",
        ]
    return "\n".join(f"    {line}" for line in lines)


def _elements(ranges: Iterable[Range]) -> str:
    """nftables takes no empty list of elements."""
    merged = ipaddress.collapse_addresses(ranges)
    text = ", ".join(str(each) for each in merged)
    return f"elements = {{ {text} }}" if text else ""
