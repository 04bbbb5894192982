"""The installation's signing key: Ed25519, made once, in a file nobody else can read.

The public half lies beside it and is what receipts are checked against; give it to whoever checks them
before there is a reason to doubt. The private half is read for each signature and kept no longer.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.dsse import Envelope
from securesystemslib.signer import (  # type: ignore[attr-defined]  # public, if not marked so
    CryptoSigner,
    SSlibKey,
)

from sealock.core.errors import PermanentError, UsageError
from sealock.core.files import create_secret_file, read_secret_file, write_whole
from sealock.core.secret import Secret
from sealock.ledger.envelope import PAYLOAD_TYPE

PRIVATE_NAME = "installation.key"
PUBLIC_NAME = "installation.pub"
LONGEST_KEY = 1024
"""Bytes; an Ed25519 private key as PEM is 119 long."""


class InstallationKey:
    """Signs in the name of this installation. public_key: PEM. key_id: see `load_public_key`."""

    def __init__(self, directory: Path) -> None:
        """Refers to the key in `directory`. PermanentError if it is missing or not safe to use."""
        self._private_path = directory / PRIVATE_NAME
        self.public_key = _to_pem(self._read().public_key())
        self.key_id = load_public_key(self.public_key).keyid
        _keep_public_half(directory / PUBLIC_NAME, self.public_key)

    @classmethod
    def load_or_create(cls, directory: Path) -> InstallationKey:
        """The key in `directory`, made there first if there is none."""
        path = directory / PRIVATE_NAME
        if not path.is_symlink() and not path.exists():
            pem = Ed25519PrivateKey.generate().private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            )
            with Secret(pem) as private:
                create_secret_file(path, private.reveal())
        return cls(directory)

    def sign(self, payload: bytes) -> Envelope:
        """A DSSE envelope around an in-toto statement."""
        private = self._read()
        envelope = Envelope(payload, PAYLOAD_TYPE, {})
        envelope.sign(CryptoSigner(private, SSlibKey.from_crypto(private.public_key(), keyid=self.key_id)))
        return envelope

    def _read(self) -> Ed25519PrivateKey:
        try:
            with Secret(read_secret_file(self._private_path, longest=LONGEST_KEY)) as pem:
                key = load_pem_private_key(pem.reveal(), password=None)
        except FileNotFoundError as error:
            raise PermanentError(
                f"the installation's signing key {self._private_path} is missing",
                resolution="Restore the file from its backup; a new one cannot speak for older receipts.",
            ) from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _not_a_key(self._private_path) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise _not_a_key(self._private_path)
        return key

    def __repr__(self) -> str:
        return f"InstallationKey({str(self._private_path.parent)!r}, key_id={self.key_id!r})"


def find_public_key(directory: Path) -> bytes | None:
    """The public half of the installation's key as PEM, None if no key was made yet. Makes nothing."""
    try:
        return (directory / PUBLIC_NAME).read_bytes()
    except FileNotFoundError:
        return None


def load_public_key(pem: bytes) -> SSlibKey:
    """An Ed25519 public key. Its id is the SHA-256 of its DER form (SubjectPublicKeyInfo) in hexadecimal:
    what `openssl pkey -pubin -outform DER | sha256sum` says. UsageError if it is something else."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _not_public() from error
    if not isinstance(key, Ed25519PublicKey):
        raise _not_public()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return SSlibKey.from_crypto(key, keyid=hashlib.sha256(der).hexdigest())


def _to_pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _keep_public_half(path: Path, pem: bytes) -> None:
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        write_whole(path, pem, 0o644)
        return
    if found != pem:
        raise PermanentError(
            f"{path} is not the public half of the key beside it",
            resolution=f"Find out who changed it; remove it, and Sealock writes it anew from {PRIVATE_NAME}.",
        )


def _not_a_key(path: Path) -> PermanentError:
    return PermanentError(
        f"{path} does not hold an Ed25519 private key", resolution="Restore the file from its backup."
    )


def _not_public() -> UsageError:
    return UsageError(
        "that is not an Ed25519 public key",
        resolution="Give the file `installation.pub` of the installation that signed the receipt: it begins "
        "with -----BEGIN PUBLIC KEY-----.",
    )
