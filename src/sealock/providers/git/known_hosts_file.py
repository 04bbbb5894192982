"""Reads lines of a known_hosts file as OpenSSH does: patterns, hashed names, markers.

Only keys of algorithms that sign with SHA-2 or better are taken: Ed25519, ECDSA, and RSA of 2048 bits
and more (whose signatures are then asked for as rsa-sha2-512 or rsa-sha2-256).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator

from sealock.core.errors import UsageError

LARGEST = 1 << 20
"""Bytes of a known_hosts file."""

_CURVES = {
    "ecdsa-sha2-nistp256": (b"nistp256", 65),
    "ecdsa-sha2-nistp384": (b"nistp384", 97),
    "ecdsa-sha2-nistp521": (b"nistp521", 133),
}


def entries(text: str) -> Iterator[tuple[str, str, str]]:
    """Marker (often empty), host patterns and `algorithm base64` of each line that has all of them."""
    for line in text.splitlines():
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        marker = fields.pop(0) if fields[0].startswith("@") else ""
        if len(fields) >= 3 and re.fullmatch(r"[a-z0-9@.-]+", fields[1]):
            yield marker, fields[0], f"{fields[1]} {fields[2]}"


def names_host(patterns: str, host: str, port: int) -> bool:
    """Whether the first field of a line speaks of this host. A pattern with `!` that fits says no."""
    name = host if port == 22 else f"[{host}]:{port}"
    if patterns.startswith("|1|"):
        return _is_hash_of(patterns, name)
    fits = False
    for pattern in patterns.lower().split(","):
        if _fits(pattern.removeprefix("!"), name):
            if pattern.startswith("!"):
                return False
            fits = True
    return fits


def host_key(text: str) -> str:
    """`algorithm base64`, checked to be a whole key of that algorithm. UsageError if it is not."""
    algorithm, _, encoded = text.partition(" ")
    try:
        blob = b64decode(encoded, validate=True)
        fields = _fields(blob)
    except (NotBase64, ValueError) as error:
        raise _malformed(text) from error
    if not fields or fields[0] != algorithm.encode():
        raise _malformed(text)
    if not _is_sound(algorithm, fields[1:]):
        raise UsageError(
            f"the host key {text[:60]!r} is weak, or no key of its algorithm",
            resolution="Give the server's Ed25519 or ECDSA key, or one of RSA with 2048 bits or more.",
        )
    return f"{algorithm} {encoded}"


def _is_sound(algorithm: str, fields: list[bytes]) -> bool:
    if algorithm == "ssh-ed25519":
        return [len(field) for field in fields] == [32]
    if algorithm in _CURVES:
        curve, length = _CURVES[algorithm]
        return len(fields) == 2 and fields[0] == curve and len(fields[1]) == length and fields[1][0] == 4
    if algorithm == "ssh-rsa" and len(fields) == 2:
        return 2048 <= int.from_bytes(fields[1]).bit_length() <= 16384
    return False


def _fields(blob: bytes) -> list[bytes]:
    """The length-prefixed strings an SSH key is made of. ValueError if it is cut short."""
    fields = []
    while blob:
        length = int.from_bytes(blob[:4])
        if len(blob) < 4 + length:
            raise ValueError("a key is cut short")
        fields.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return fields


def _is_hash_of(pattern: str, name: str) -> bool:
    """`|1|salt|hash` is an HMAC-SHA-1 of the name: not a matter of security, it hides the name."""
    try:
        salt, expected = (b64decode(part, validate=True) for part in pattern.removeprefix("|1|").split("|"))
    except (NotBase64, ValueError):
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), hashlib.sha1), expected)


def _fits(pattern: str, name: str) -> bool:
    """`*` and `?` as in OpenSSH; brackets stand for themselves there."""
    expression = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.fullmatch(expression, name) is not None


def _malformed(text: str) -> UsageError:
    return UsageError(
        f"{text[:60]!r} is no SSH host key",
        resolution="A host key is written as its algorithm and its Base64 text: `ssh-ed25519 AAAA…`.",
    )
