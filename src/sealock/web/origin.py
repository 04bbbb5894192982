"""The one address the website is reached by, from which everything that names it is made.

Links, redirects and the check of where a request comes from use what is configured here, never a request's
`Host`: whoever sends a request chooses that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from sealock.core.errors import UsageError

_ORIGIN = re.compile(r"https://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]{1,253})(?::([0-9]{1,5}))?/?")


@dataclass(frozen=True)
class Origin:
    """host: a DNS name in small letters or an IP address, IPv6 without brackets."""

    host: str
    port: int = 443

    @classmethod
    def parse(cls, text: str) -> Origin:
        """`https://HOST` or `https://HOST:PORT`. UsageError for anything else, http:// included."""
        found = _ORIGIN.fullmatch(text)
        port = int(found[2] or 443) if found else 0
        if found is None or not 0 < port < 65536 or not _is_host(found[1]):
            raise UsageError(
                f"{text[:200]!r} is not where a website can be reached",
                resolution="Give it as https://HOST or https://HOST:PORT; it is never reached by plain HTTP.",
            )
        return cls(found[1].strip("[]").lower(), port)

    @property
    def authority(self) -> str:
        """As in a `Host` header: without the port where it is the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 443 else f"{host}:{self.port}"

    def is_named_by(self, header: str) -> bool:
        """Whether a `Host` header names this website, whole and exactly."""
        told = header.lower()
        return told == self.authority or (self.port == 443 and told == f"{self.authority}:443")

    def __str__(self) -> str:
        """As in an `Origin` header; a path can follow."""
        return f"https://{self.authority}"


def _is_host(text: str) -> bool:
    if not text.startswith("["):
        return all(label and len(label) < 64 and label.strip("-") == label for label in text.split("."))
    try:
        return isinstance(ip_address(text[1:-1]), IPv6Address)
    except ValueError:
        return False
