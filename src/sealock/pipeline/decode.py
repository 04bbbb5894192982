"""Bytes to text: size, encoding and characters, checked before any parser sees them."""

from __future__ import annotations

import re

from sealock.pipeline.problem import Problem

MAXIMUM_BYTES = 256 * 1024

# What YAML calls printable is allowed. Control characters have no business in a configuration: they
# hide text from the person who reviews it, and NUL ends strings for half of what comes after.
_REFUSED = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def decode(text: bytes) -> str | Problem:
    """The file's text without a byte order mark, or why it is refused."""
    if len(text) > MAXIMUM_BYTES:
        return _too_large(len(text))
    try:
        decoded = text.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        return _not_utf8(text, error.start)
    found = _REFUSED.search(decoded)
    return _control_character(decoded, found.start()) if found else decoded


def position(text: str, index: int) -> tuple[int, int]:
    """Line and column of a character, both from 1; a line ends with LF, CR or CR LF."""
    before = text[:index].replace("\r\n", "\n").replace("\r", "\n")
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _too_large(size: int) -> Problem:
    return Problem(
        1,
        1,
        f"the file has {size} bytes; {MAXIMUM_BYTES} are allowed",
        "Move long scripts into files of the repository and call them from here.",
    )


def _not_utf8(text: bytes, index: int) -> Problem:
    line, column = position(text[:index].decode("utf-8").removeprefix("\ufeff"), index)
    return Problem(
        line,
        column,
        f"byte 0x{text[index]:02x} is not UTF-8 text",
        "Save the file in the encoding UTF-8.",
    )


def _control_character(text: str, index: int) -> Problem:
    line, column = position(text, index)
    return Problem(
        line,
        column,
        f"the character U+{ord(text[index]):04X} is not allowed in this file",
        "Remove it; most editors can show characters that are otherwise invisible.",
    )
