"""Remarks about a place in the code that tools print for other systems, one line at a time.

    ::error file=src/a.py,line=3,endLine=4,col=5,title=Wrong::message         also warning and notice
    ##vso[task.logissue type=error;sourcepath=src/a.py;linenumber=3]message   ##[error]message

They are what the build says: the message is text, and the file is only ever a path within the repository.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sealock.livelog.ansi import plain
from sealock.livelog.ansi_signs import made_visible

LONGEST_MESSAGE = 2000
"""Characters."""

_LONGEST_PATH = 500
_MAY_BE = re.compile(rb"\s*(?:\x1b\[[0-9;]*m)*(?:::(?:error|warning|notice)[ :]|##)")
_GITHUB = re.compile(r"::(error|warning|notice)(?: ([^:]*(?::(?!:)[^:]*)*))?::(.*)")
_AZURE = re.compile(r"##(?:\[(error|warning)\]|vso\[task\.logissue ([^\]]*)\])(.*)")
_ESCAPE = re.compile(r"%(25|0D|0A|3A|2C)", re.IGNORECASE)
_ESCAPED = {"25": "%", "0D": "", "0A": "\n", "3A": ":", "2C": ","}
_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Note:
    """at: the line of the log it stands in. level: `error`, `warning` or `notice`. path: within the
    repository, with `/`. line, end_line, column: in that file, from 1. message: may have several lines."""

    at: int
    level: str
    message: str
    path: str | None = None
    line: int | None = None
    end_line: int | None = None
    column: int | None = None
    title: str = ""


def note(data: bytes, at: int) -> Note | None:
    """What this line, number `at` of its log, remarks, if anything."""
    if not _MAY_BE.match(data):
        return None
    text = plain(data[: 4 * LONGEST_MESSAGE]).strip()
    if found := _GITHUB.fullmatch(text):
        return _note(at, found[1], _pairs(found[2] or "", ","), found[3])
    if found := _AZURE.fullmatch(text):
        pairs = _pairs(found[2] or "", ";")
        level = found[1] or pairs.get("type", "").lower()
        return _note(at, level, pairs, found[3]) if level in {"error", "warning"} else None
    return None


def _pairs(text: str, between: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(between)[:20])
    return {name.strip().lower(): _unescaped(value.strip()) for name, _, value in pairs}


def _note(at: int, level: str, pairs: dict[str, str], message: str) -> Note:
    return Note(
        at,
        level,
        "\n".join(made_visible(line) for line in _unescaped(message).split("\n"))[:LONGEST_MESSAGE],
        _path(pairs.get("file") or pairs.get("sourcepath") or ""),
        _number(pairs.get("line") or pairs.get("linenumber")),
        _number(pairs.get("endline")),
        _number(pairs.get("col") or pairs.get("columnnumber")),
        made_visible(pairs.get("title", "").replace("\n", " "))[:200],
    )


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPED[found[1].upper()], text)


def _number(text: str | None) -> int | None:
    return int(text) or None if text and _NUMBER.fullmatch(text) else None


def _path(text: str) -> str | None:
    """None for what leads out of the repository, or is no path."""
    parts = [part for part in text.split("/") if part not in {"", "."}]
    is_outside = text.startswith(("/", "~")) or ".." in parts or "\\" in text or ":" in text
    if not parts or is_outside or len(text) > _LONGEST_PATH or not text.isprintable():
        return None
    return "/".join(parts)
