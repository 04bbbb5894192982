"""What is random, shown once, and kept as a digest only: the core of sessions, tokens and links."""

from __future__ import annotations

import secrets
from hashlib import sha256

RANDOM_BYTES = 32
"""256 bits: nobody finds one by trying, which is why a plain digest at rest is enough."""


def new_value() -> str:
    """43 characters that are safe in a URL, a cookie and a header."""
    return secrets.token_urlsafe(RANDOM_BYTES)


def new_id() -> str:
    """A name for a record, 32 hexadecimal digits; it opens nothing."""
    return secrets.token_hex(16)


def digest_of(value: str) -> bytes:
    """What is kept of it, 32 bytes. Anything may be asked about, so nothing is too odd to have a digest."""
    return sha256(value.encode(errors="surrogateescape")).digest()
