"""Makes project keys. The private half is sealed in the call that makes it and leaves it in no other form.

Each key has a data key of its own, random and used for one message only, so a nonce can never meet the
same key twice. The data key is wrapped under the key-encryption key's sub-key for that purpose.
"""

from __future__ import annotations

import os
from base64 import b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from sealock.core.project import SealedKey
from sealock.core.secret import Secret
from sealock.keeper.kek import FileKek
from sealock.keeper.sealed import ALGORITHM, KEY_LENGTH, NONCE_LENGTH, WRAPPING, Binding


class KeySealer:
    """Makes keys under one key-encryption key (`core.keys.Sealer`)."""

    def __init__(self, kek: FileKek) -> None:
        self._kek = kek

    def new_key(self, project_id: str, version: int, name: str) -> tuple[str, SealedKey]:
        """A new Ed25519 pair, bound to the project's id, its name and this version: the public half as
        one OpenSSH line, the private half sealed."""
        pair = Ed25519PrivateKey.generate()
        public = pair.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        binding = Binding(project_id, name, version, self._kek.id)
        with Secret(pair.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())) as private:
            return f"{public} sealock:{name}", seal(private, binding, self._kek)


def seal(private: Secret, binding: Binding, kek: FileKek) -> SealedKey:
    """Seal a private key, bound to `binding`, under a fresh data key wrapped by `kek`."""
    nonce, wrapping_nonce = os.urandom(NONCE_LENGTH), os.urandom(NONCE_LENGTH)
    with Secret(os.urandom(KEY_LENGTH)) as data_key, kek.subkey(WRAPPING) as wrapping_key:
        ciphertext = AESGCM(data_key.reveal()).encrypt(nonce, private.reveal(), binding.for_key())
        wrapped = AESGCM(wrapping_key.reveal()).encrypt(
            wrapping_nonce, data_key.reveal(), binding.for_data_key()
        )
    return SealedKey(
        version=binding.version,
        algorithm=ALGORITHM,
        kek_id=kek.id,
        wrapped_key_nonce=b64encode(wrapping_nonce).decode(),
        wrapped_key=b64encode(wrapped).decode(),
        nonce=b64encode(nonce).decode(),
        ciphertext=b64encode(ciphertext).decode(),
    )
