"""Base64 with one spelling for the same bytes, so that nobody can change a file and keep its meaning."""

from __future__ import annotations

from base64 import b64decode, b64encode


def encode(value: bytes) -> str:
    """The usual spelling, with padding."""
    return b64encode(value).decode("ascii")


def decode(text: str) -> bytes:
    """The bytes `encode` makes this text of. ValueError for anything else, another spelling included."""
    try:
        value = b64decode(text, validate=True)
    except ValueError as error:
        raise ValueError("not Base64") from error
    if encode(value) != text:
        raise ValueError("not the usual spelling of Base64")
    return value
