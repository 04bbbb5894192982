"""The keeper's signing key: Ed25519, made once, in a file nobody else can read. It signs leases."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealock.core.errors import PermanentError
from sealock.core.files import create_secret_file, read_secret_file
from sealock.core.secret import Secret

LENGTH = 32


def load_or_create(path: Path) -> Ed25519PrivateKey:
    """The key in `path`, made there first if there is none. PermanentError if it is not safe to use."""
    if not path.is_symlink() and not path.exists():
        with Secret(Ed25519PrivateKey.generate().private_bytes_raw()) as fresh:
            create_secret_file(path, fresh.reveal())
    with Secret(read_secret_file(path, longest=LENGTH)) as value:
        try:
            return Ed25519PrivateKey.from_private_bytes(value.reveal())
        except ValueError:
            raise PermanentError(
                f"the keeper's signing key {path} is not {LENGTH} bytes long",
                resolution="Remove it: the keeper makes a new one, and every lease so far is void.",
            ) from None
