"""Seals and opens the chunks of one log: AES-256-GCM under a key for this file alone.

The key is derived from the build's log key, the file's random salt and the build's id, so a log key that
is used for a second file by mistake never meets a nonce twice. The nonce is the chunk's number with a
byte that says whether it is the final one; the header and the build's id are associated data. So a chunk
opens at its own place in its own log only, and nothing can be cut off unnoticed from a log that was
closed. Nothing is compressed: the length of what is sealed would say something about it.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sealock.core.errors import PermanentError
from sealock.core.log import LOG_KEY_LENGTH
from sealock.core.secret import Secret
from sealock.livelog.format import TAG_LENGTH, ChunkHeader, FileHeader, Flags

_PURPOSE = b"sealock sealed log v1: "


class DoesNotOpen(Exception):
    """A chunk is not what was sealed at this place of this log under this key."""


class ChunkCipher:
    """Seals and opens chunks of the log with this header, under this build's log key."""

    def __init__(self, key: Secret, header: FileHeader) -> None:
        """PermanentError if the key has another length."""
        value = key.reveal()
        if len(value) != LOG_KEY_LENGTH:
            raise PermanentError(
                f"a log key of {len(value)} bytes was given for build {header.build_id}",
                details=f"A log key has {LOG_KEY_LENGTH} bytes.",
            )
        identity = bytes.fromhex(header.build_id)
        derive = HKDF(algorithm=SHA256(), length=32, salt=header.salt, info=_PURPOSE + identity)
        self._cipher = AESGCM(derive.derive(value))
        self._bound_to = _PURPOSE + identity

    def seal(self, header: ChunkHeader, body: bytes) -> bytes:
        """The chunk as it is kept. `header.length` must be that of the body and its tag; a number may
        never be used for two bodies."""
        if header.length != len(body) + TAG_LENGTH:
            raise ValueError("the header is not this body's")
        encoded = header.encode()
        return encoded + self._cipher.encrypt(_nonce(header), body, self._bound_to + encoded)

    def open(self, header: ChunkHeader, sealed: bytes) -> bytes:
        """The body. DoesNotOpen if it was not sealed with this header."""
        try:
            return self._cipher.decrypt(_nonce(header), sealed, self._bound_to + header.encode())
        except InvalidTag as error:
            raise DoesNotOpen(f"chunk {header.number}") from error


def _nonce(header: ChunkHeader) -> bytes:
    """96 bits: the number, and the final flag in a byte of its own."""
    return header.number.to_bytes(11, "big") + bytes([Flags.FINAL in header.flags])
