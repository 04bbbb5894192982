"""The key-encryption key: 32 random bytes in a file outside the store.

It is read from the file each time it is needed and forgotten at once; nothing keeps it in memory between
two uses. It encrypts nothing itself: each purpose has a sub-key of its own (HKDF-SHA-256), and so has its
id, which may be shown and stored because it leads back to nothing.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sealock.core.errors import PermanentError
from sealock.core.files import create_secret_file, read_secret_file
from sealock.core.secret import Secret

LENGTH = 32
DOMAIN = b"sealock key-encryption key v1: "


class FileKek:
    """A key-encryption key in a file. id: 16 hexadecimal digits, not secret."""

    def __init__(self, path: Path) -> None:
        """Refers to the key in `path`. PermanentError if it is missing or not safe to use."""
        self.path = path
        with self._read() as key:
            self.id = identify(key)

    @classmethod
    def load_or_create(cls, path: Path) -> FileKek:
        """The key in `path`, made there first if there is none."""
        if not path.is_symlink() and not path.exists():
            with Secret(os.urandom(LENGTH)) as fresh:
                create_secret_file(path, fresh.reveal())
        return cls(path)

    def subkey(self, purpose: str) -> Secret:
        """32 bytes for one purpose only; the caller forgets them. PermanentError if the file has become
        unsafe to use or holds another key than it did."""
        with self._read() as key:
            if identify(key) != self.id:
                raise PermanentError(
                    f"the key-encryption key in {self.path} was replaced while Sealock was running",
                    resolution="Put the file back, or start Sealock again if the change was meant.",
                )
            return Secret(derive(key, f"purpose {purpose}"))

    def _read(self) -> Secret:
        try:
            value = read_secret_file(self.path, longest=LENGTH)
        except FileNotFoundError as error:
            raise PermanentError(
                f"the key-encryption key {self.path} is missing",
                resolution="Restore the file from its backup. Without it no sealed key can be opened; "
                "`sealock project reset-key NAME` makes a project a new one.",
            ) from error
        if len(value) != LENGTH:
            raise PermanentError(
                f"the key-encryption key {self.path} is not {LENGTH} bytes long",
                details=f"found {len(value)} bytes",
                resolution="Restore the file from its backup.",
            )
        return Secret(value)

    def __repr__(self) -> str:
        return f"FileKek({str(self.path)!r}, id={self.id!r})"


def derive(key: Secret, info: str) -> bytes:
    """32 bytes out of a key-encryption key, for what `info` says alone."""
    return HKDF(algorithm=SHA256(), length=LENGTH, salt=None, info=DOMAIN + info.encode()).derive(
        key.reveal()
    )


def identify(key: Secret) -> str:
    """The id of a key-encryption key: 16 hexadecimal digits that lead back to nothing."""
    return hashlib.sha256(derive(key, "id")).hexdigest()[:16]
