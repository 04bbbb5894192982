"""The two halves of an SSH key."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from sealock.core.secret import Secret


def belongs_to(private: Secret, public_line: str) -> bool:
    """Whether the public half shown to people is the one of this private key."""
    try:
        pair = load_ssh_private_key(private.reveal(), password=None)
    except ValueError:
        return False
    public = pair.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return public_line.split(" ")[:2] == public.split(" ")
