"""HPKE's base mode written down a second time, from RFC 9180, to compare the library's with."""

from __future__ import annotations

import hmac
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEM = b"KEM" + (0x0020).to_bytes(2, "big")
SUITE = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in (0x0020, 0x0001, 0x0002))


def seal_by_the_letter(public: bytes, info: bytes, plain: bytes) -> bytes:
    """enc || ciphertext, for DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, without aad."""
    ephemeral = X25519PrivateKey.generate()
    enc = ephemeral.public_key().public_bytes_raw()
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(public))
    eae = _extract(b"", KEM, b"eae_prk", shared)
    secret = _expand(eae, KEM, b"shared_secret", enc + public, 32)
    context = b"\0" + _extract(b"", SUITE, b"psk_id_hash", b"") + _extract(b"", SUITE, b"info_hash", info)
    schedule = _extract(secret, SUITE, b"secret", b"")
    key = _expand(schedule, SUITE, b"key", context, 32)
    nonce = _expand(schedule, SUITE, b"base_nonce", context, 12)
    return enc + AESGCM(key).encrypt(nonce, plain, None)


def _extract(salt: bytes, suite: bytes, label: bytes, key: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + key, "sha256")


def _expand(key: bytes, suite: bytes, label: bytes, info: bytes, length: int) -> bytes:
    labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    block = out = b""
    for counter in range(1, -(-length // sha256().digest_size) + 1):
        block = hmac.digest(key, block + labelled + bytes([counter]), "sha256")
        out += block
    return out[:length]
