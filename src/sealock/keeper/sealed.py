"""What a sealed key is bound to, in bytes nobody can read two ways.

AES-GCM checks the associated data with the ciphertext, so a sealed key that is moved to another project,
name or version, or said to be of another algorithm or key-encryption key, does not open. Each field is
preceded by its length: no two different bindings have the same bytes, whatever the fields hold.
"""

from __future__ import annotations

from dataclasses import dataclass

ALGORITHM = "openssh-ed25519+aes-256-gcm+hkdf-sha256-v1"
KIND = "ssh-key"
WRAPPING = "wrap data key of ssh-key"
"""The purpose whose sub-key wraps data keys."""

KEY_LENGTH = 32
NONCE_LENGTH = 12
TAG_LENGTH = 16


@dataclass(frozen=True)
class Binding:
    """What a sealed key belongs to."""

    project_id: str
    name: str
    version: int
    kek_id: str
    algorithm: str = ALGORITHM
    kind: str = KIND

    def for_key(self) -> bytes:
        """Associated data of the private key under its data key."""
        return self._encode("sealock sealed key v1")

    def for_data_key(self) -> bytes:
        """Associated data of the data key under the key-encryption key: never the same as `for_key`."""
        return self._encode("sealock data key v1")

    def _encode(self, domain: str) -> bytes:
        fields = (
            domain,
            self.project_id,
            self.kind,
            self.name,
            str(self.version),
            self.kek_id,
            self.algorithm,
        )
        return b"".join(_with_length(field.encode()) for field in fields)


def _with_length(field: bytes) -> bytes:
    return len(field).to_bytes(4, "big") + field
