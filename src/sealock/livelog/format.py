"""The form of a sealed log's file, all numbers big-endian.

    file     "sealock-log 1\n", the build's id (16 bytes), a salt (32 random bytes), chunks
    chunk    header (33 bytes), sealed body with its tag
    header   length of the sealed body (4), number of the chunk from 0 (8), number of the line its first
             byte of output belongs to, from 1 (8), newlines in its output (4), time (8, milliseconds
             since 1970), flags (1)
    body     length of the marks (4), the marks as JSON: [[line, milliseconds, text], …],
             of a chunk with an outline its length (4) and itself, output

Headers are readable without the key, so that whoever keeps the file can find a range of lines without
being able to read one. They are authenticated with the body. A chunk is only ever added, by one write.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntFlag
from typing import ClassVar, NamedTuple

MAGIC = b"sealock-log 1\n"
ID_LENGTH = 16
SALT_LENGTH = 32
TAG_LENGTH = 16
FILE_HEADER_LENGTH = len(MAGIC) + ID_LENGTH + SALT_LENGTH

CHUNK_OUTPUT = 64 * 1024
"""Bytes of output in a chunk that is full."""

CHUNK_MARKS = 16 * 1024
"""Characters of marks with which a chunk is full."""

LONGEST_MARK = 16 * 1024
"""Characters."""

MARK_ITSELF = 32
"""Characters that a mark counts for besides its text, in whatever bound there is on marks."""

LONGEST_BODY = 1024 * 1024
"""Bytes. No chunk comes near it: marks are at most twelve bytes of JSON a character."""


class Flags(IntFlag):
    """What a chunk is, besides its place."""

    FINAL = 1  # the log was closed with it
    MARKS = 2  # its body holds marks
    UNFINISHED = 4  # the last line so far has no newline yet
    OUTLINE = 8  # its body holds the outline of the whole log; only of the final one


@dataclass(frozen=True)
class FileHeader:
    """build_id: 32 hexadecimal digits."""

    build_id: str
    salt: bytes

    def encode(self) -> bytes:
        """Its `FILE_HEADER_LENGTH` bytes."""
        return MAGIC + bytes.fromhex(self.build_id) + self.salt

    @classmethod
    def decode(cls, data: bytes) -> FileHeader:
        """ValueError if that is not one."""
        if len(data) != FILE_HEADER_LENGTH or not data.startswith(MAGIC):
            raise ValueError("it does not begin as a sealed log does")
        rest = data[len(MAGIC) :]
        return cls(rest[:ID_LENGTH].hex(), rest[ID_LENGTH:])


# Every combination: making one anew takes longer than all the rest of a header.
_EACH_FLAGS = tuple(Flags(value) for value in range(2 * Flags.OUTLINE))


@dataclass(frozen=True, slots=True)
class ChunkHeader:
    """A chunk's place. length: of the sealed body, in bytes. first: number of the line its first byte of
    output belongs to. milliseconds: since 1970."""

    length: int
    number: int
    first: int
    newlines: int
    milliseconds: int
    flags: Flags

    _form: ClassVar = struct.Struct(">IQQIQB")
    LENGTH: ClassVar[int] = _form.size

    def encode(self) -> bytes:
        """Its `LENGTH` bytes."""
        return self._form.pack(
            self.length, self.number, self.first, self.newlines, self.milliseconds, self.flags
        )

    @classmethod
    def decode(cls, data: bytes) -> ChunkHeader:
        """ValueError if that is not one."""
        try:
            length, number, first, newlines, milliseconds, flags = cls._form.unpack(data)
        except struct.error as error:
            raise ValueError("not as long as a chunk's header") from error
        if not 4 + TAG_LENGTH <= length <= LONGEST_BODY or flags >= len(_EACH_FLAGS):
            raise ValueError("not a chunk's header")
        return cls(length, number, first, newlines, milliseconds, _EACH_FLAGS[flags])


class Body(NamedTuple):
    """What is in a chunk. marks: JSON, or empty. outline: as `outline_form` writes it, or empty."""

    marks: bytes
    outline: bytes
    output: bytes


def encode_body(marks: bytes, output: bytes, outline: bytes = b"") -> bytes:
    """outline: of a chunk that is to have that flag."""
    told = len(outline).to_bytes(4, "big") + outline if outline else b""
    return len(marks).to_bytes(4, "big") + marks + told + output


def decode_body(body: bytes, flags: Flags) -> Body:
    """ValueError if that is not the body of a chunk with these flags."""
    marks, rest = _first(body)
    outline, output = _first(rest) if Flags.OUTLINE in flags else (b"", rest)
    return Body(marks, outline, output)


def _first(data: bytes) -> tuple[bytes, bytes]:
    """What has its length before it, and what is behind that."""
    length = int.from_bytes(data[:4], "big")
    if len(data) < 4 + length:
        raise ValueError("not a chunk's body")
    return data[4 : 4 + length], data[4 + length :]
