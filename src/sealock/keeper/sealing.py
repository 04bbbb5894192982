"""Seals values to a public key, without being able to open them again.

HPKE (RFC 9180) in base mode with one message a context: X25519, HKDF-SHA-256, AES-256-GCM. Each call makes
an ephemeral pair of its own, so no key meets a nonce twice and nothing here could open what it made. What
a value is bound to goes into the key schedule (`info`): with another binding another key comes out.
"""

from __future__ import annotations

import time

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from sealock.core.errors import PermanentError
from sealock.core.sealed import PublicKey, Sealed, SealedName, canonical
from sealock.core.secret import Secret

SUITE = "hpke-x25519-hkdf-sha256-aes-256-gcm-v1"
KEY_LENGTH = 32
OVERHEAD = KEY_LENGTH + 16
"""Bytes a sealed value is longer than the value: the ephemeral public key and the tag."""

DOMAIN = b"sealock hpke v1"


def new_pair() -> tuple[Secret, bytes]:
    """A new X25519 pair: the private half and the public one, 32 bytes each."""
    pair = X25519PrivateKey.generate()
    return Secret(pair.private_bytes_raw()), pair.public_key().public_bytes_raw()


def seal_to(public_key: bytes, associated: bytes, value: Secret) -> bytes:
    """Seal `value` so that only the private half of `public_key` (32 bytes) opens it, and only together
    with the same `associated` bytes. `OVERHEAD` bytes longer than the value.

    PermanentError if `public_key` cannot be one.
    """
    plain = value.reveal()
    try:
        return suite().encrypt(plain, X25519PublicKey.from_public_bytes(public_key), info(associated))
    except ValueError as error:
        raise PermanentError(
            "the public key to seal to cannot be one",
            resolution="Restore the owner's key set from its backup.",
        ) from error


def seal(name: SealedName, value: Secret, to: PublicKey) -> Sealed:
    """`value`, bound to its name and the key it is sealed to (`core.sealed.Seal`).

    ValueError if `to` belongs to another owner.
    """
    if to.owner != name.owner:
        raise ValueError("the public key is another owner's")
    return Sealed(
        name=name,
        key_version=to.version,
        suite=SUITE,
        data=seal_to(to.key, binding(name, to.version), value),
        created_at=time.time(),
    )


def binding(name: SealedName, key_version: int, suite_name: str = SUITE) -> bytes:
    """What a sealed value is bound to: its name, the version of the key set, the suite."""
    return name.canonical() + canonical("sealock sealed to v1", str(key_version), suite_name)


def suite() -> Suite:
    """The one suite there is."""
    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def info(associated: bytes) -> bytes:
    """The context information of HPKE."""
    return DOMAIN + associated
