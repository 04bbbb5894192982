"""Wrapping with a key we have in hand, for the back ends that are files: AES-256-GCM, random nonce.

Each wrapping key is a sub-key for this purpose alone. Random 96-bit nonces are safe for 2^32 wraps of one
key; an installation wraps a few for each project and rotation.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sealock.core.sealed import DoesNotOpen
from sealock.core.secret import Secret

NONCE_LENGTH = 12
TAG_LENGTH = 16


def encrypt(key: Secret, value: Secret, associated: bytes) -> bytes:
    """Nonce and ciphertext. key: 32 bytes."""
    nonce = os.urandom(NONCE_LENGTH)
    return nonce + AESGCM(key.reveal()).encrypt(nonce, value.reveal(), associated)


def decrypt(key: Secret, data: bytes, associated: bytes) -> Secret:
    """The value; the caller forgets it. DoesNotOpen for anything `encrypt` did not make."""
    if len(data) <= NONCE_LENGTH + TAG_LENGTH:
        raise DoesNotOpen
    # Into a buffer of our own, which can be overwritten; `bytes` cannot.
    plain = bytearray(len(data) - NONCE_LENGTH - TAG_LENGTH)
    try:
        AESGCM(key.reveal()).decrypt_into(data[:NONCE_LENGTH], data[NONCE_LENGTH:], associated, plain)
    except InvalidTag as error:
        raise DoesNotOpen from error
    try:
        return Secret(plain)
    finally:
        plain[:] = bytes(len(plain))
