"""Opens what was sealed to a public key, or says no. There is no third way out.

Whatever is refused has one message (`core.sealed.DoesNotOpen`), so an error tells somebody who alters
records nothing about how far they got.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from sealock.core.sealed import DoesNotOpen, Sealed
from sealock.core.secret import Secret
from sealock.keeper.sealing import OVERHEAD, SUITE, binding, info, suite


def open_with(private_key: Secret, associated: bytes, sealed: bytes) -> Secret:
    """What `seal_to` sealed to the public half of `private_key` (32 bytes) with the same `associated`
    bytes; the caller forgets it. DoesNotOpen for anything else."""
    if len(sealed) < OVERHEAD:
        raise DoesNotOpen
    try:
        pair = X25519PrivateKey.from_private_bytes(private_key.reveal())
        return Secret(suite().decrypt(sealed, pair, info(associated)))
    except (InvalidTag, ValueError) as error:
        raise DoesNotOpen from error


def open_sealed(private_key: Secret, sealed: Sealed) -> Secret:
    """The value of a record, with the private half of the key set version it names; the caller forgets
    it. DoesNotOpen if the record is not exactly what was sealed."""
    if sealed.suite != SUITE:
        raise DoesNotOpen
    return open_with(private_key, binding(sealed.name, sealed.key_version, sealed.suite), sealed.data)
