"""What a commit says of itself: its message and who wrote it."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_MESSAGE = 2000
LONGEST_AUTHOR = 200
"""Characters of each that are told."""


@dataclass(frozen=True)
class Described:
    """commit: 40 or 64 hexadecimal digits. message and author: whatever stands there, in valid Unicode."""

    commit: str
    message: str = ""
    author: str = ""


def described(commit: str, raw: bytes) -> Described:
    """raw: the commit as Git keeps it. A stranger wrote it, so there may be anything."""
    head, _, message = raw.partition(b"\n\n")
    fields = dict(line.partition(b" ")[::2] for line in reversed(head.split(b"\n")))
    encoding = fields.get(b"encoding", b"utf-8").decode("ascii", "replace")
    author = fields.get(b"author", b"").partition(b"<")[0]
    return Described(
        commit,
        _text(message, encoding).strip()[:LONGEST_MESSAGE],
        _text(author, encoding).strip()[:LONGEST_AUTHOR],
    )


def _text(data: bytes, encoding: str) -> str:
    """By that encoding if it is one of text that Python has, else by UTF-8; without halves of characters."""
    try:
        text = data.decode(encoding, "replace")
    except (LookupError, ValueError):
        text = data.decode(errors="replace")
    return text.encode(errors="replace").decode()
