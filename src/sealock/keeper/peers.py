"""Who may speak to the keeper at all: programs, told apart by what they cannot make up.

On a Unix socket that is the user the kernel says they run as; over TLS it is their certificate. What a
peer may ask for follows from its roles. A peer that is not in the table has none, and is not answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sealock.core.errors import UsageError


class PeerRole(StrEnum):
    """What a program is here for."""

    SCHEDULER = "scheduler"  # states the terms of leases
    WORKER = "worker"  # carries what workers of its host ask, and what is released to them
    RELAY = "relay"  # carries what people and workers ask, and what is released to them
    OPERATOR = "operator"  # looks, admits workers, rotates and destroys keys; has no way to content
    ERASER = "eraser"  # has the keys of an owner destroyed, which opens nothing; an operator is one too
    CUSTODIAN = "custodian"  # an operator who also takes backups of keys, with which everything opens


WEBSITE = frozenset({PeerRole.RELAY, PeerRole.SCHEDULER, PeerRole.ERASER})
"""What a website is here for: projects that are removed are erased."""


@dataclass(frozen=True)
class Peer:
    """A program. name: unique in the table."""

    name: str
    roles: frozenset[PeerRole]


@dataclass(frozen=True)
class Peers:
    """by_user: user ids of this host. by_certificate: SHA-256 of the certificate's DER form, hexadecimal."""

    by_user: Mapping[int, Peer] = field(default_factory=dict)
    by_certificate: Mapping[str, Peer] = field(default_factory=dict)

    def joined(self, others: Peers) -> Peers:
        """Both tables; what stands in both is as in `others`. UsageError if two peers have one name then:
        nobody could tell them apart in the ledger."""
        both = Peers({**self.by_user, **others.by_user}, {**self.by_certificate, **others.by_certificate})
        names = [peer.name for peer in (*both.by_user.values(), *both.by_certificate.values())]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UsageError(
                f"two of the keeper's peers are called {twice[0]}",
                resolution="Give each in authorities.json another name; `local` is who starts the keeper.",
            )
        return both
