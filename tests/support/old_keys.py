"""Seals project keys as it was done before there were key sets, so that such records go on being opened."""

from __future__ import annotations

import os
from base64 import b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from sealock.core.project import SealedKey
from sealock.keeper.kek import FileKek
from sealock.keeper.sealed import ALGORITHM, KEY_LENGTH, NONCE_LENGTH, WRAPPING, Binding


def new_old_key(kek: FileKek, project_id: str, version: int, name: str) -> tuple[str, SealedKey]:
    """A new pair: the public half as one OpenSSH line, the private half sealed the old way."""
    pair = Ed25519PrivateKey.generate()
    public = pair.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    private = pair.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    binding = Binding(project_id, name, version, kek.id)
    nonce, wrapping_nonce, data_key = (os.urandom(n) for n in (NONCE_LENGTH, NONCE_LENGTH, KEY_LENGTH))
    with kek.subkey(WRAPPING) as wrapping_key:
        wrapped = AESGCM(wrapping_key.reveal()).encrypt(wrapping_nonce, data_key, binding.for_data_key())
    ciphertext = AESGCM(data_key).encrypt(nonce, private, binding.for_key())
    texts = (b64encode(part).decode() for part in (wrapping_nonce, wrapped, nonce, ciphertext))
    return f"{public} sealock:{name}", SealedKey(version, ALGORITHM, kek.id, *texts)
