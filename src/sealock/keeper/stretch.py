"""A key out of a passphrase, by Argon2id (RFC 9106): each guess costs memory and time."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from sealock.core.errors import UsageError
from sealock.core.secret import Secret

KEY_LENGTH = 32
SHORTEST_PASSPHRASE = 12
"""Bytes."""


@dataclass(frozen=True)
class Cost:
    """What a guess costs. memory: KiB."""

    iterations: int = 3
    memory: int = 256 * 1024
    lanes: int = 4


def stretch(passphrase: Secret, salt: bytes, cost: Cost) -> Secret:
    """32 bytes out of a passphrase; the caller forgets them."""
    return Secret(
        Argon2id(
            salt=salt,
            length=KEY_LENGTH,
            iterations=cost.iterations,
            lanes=cost.lanes,
            memory_cost=cost.memory,
        ).derive(passphrase.reveal())
    )


def refuse_short(passphrase: Secret) -> None:
    """UsageError for a passphrase that is guessed whatever a guess costs."""
    if len(passphrase.reveal()) < SHORTEST_PASSPHRASE:
        raise UsageError(
            f"the passphrase is shorter than {SHORTEST_PASSPHRASE} bytes",
            resolution="Take six words or more from a list, or what a password program makes.",
        )
