"""A log as text: all of it for a file, or what is around a failure for a script, a mail, a small window."""

from __future__ import annotations

from collections.abc import Iterator

from sealock.core.log import Line, LogReader
from sealock.livelog.ansi import plain
from sealock.livelog.ansi_signs import made_visible
from sealock.livelog.failing import Opening

AROUND = 50
"""Lines before and behind the one that says what is wrong."""

EXCERPT = 20_000
"""Bytes of UTF-8, at most."""

LONGEST = 500
"""Characters of a line in an excerpt."""

_AT_ONCE = 500  # lines


def whole_text(
    reader: LogReader, *, escapes: bool, first: int = 1, last: int | None = None
) -> Iterator[bytes]:
    """The lines from number `first` to `last`, piece by piece, each with a newline.

    escapes: as they were printed, byte for byte, which is for a file. Otherwise as they are read, in
    UTF-8, which can be shown in a terminal. Of a line that is too long to be read whole, it says so.
    """
    end = reader.lines if last is None else min(last, reader.lines)
    while first <= end and (lines := reader.read(first, min(_AT_ONCE, end - first + 1))):
        yield b"".join(_as_printed(line) if escapes else _as_read(line) for line in lines)
        first = lines[-1].number + 1


def excerpt(reader: LogReader, opening: Opening, *, around: int = AROUND, most: int = EXCERPT) -> str:
    """The lines around the one to open at, as they are read, with their numbers, `>` before that one, and
    above them what failed. Not longer than `most` bytes: the lines farthest away are left out."""
    first = max(1, opening.line - around)
    lines = reader.read(first, opening.line + around - first + 1)
    heading = _heading(opening)
    texts = {line.number: _numbered(line, opening.line) for line in lines}
    room = most - len(heading.encode())
    kept: list[int] = []
    for number in sorted(texts, key=lambda number: abs(number - opening.line)):
        room -= len(texts[number].encode())
        if room < 0:
            break
        kept.append(number)
    return heading + "".join(texts[number] for number in sorted(kept))


def _as_printed(line: Line) -> bytes:
    return line.data + (_cut(line).encode() if line.cut else b"") + b"\n"


def _as_read(line: Line) -> bytes:
    return (plain(line.data) + (_cut(line) if line.cut else "") + "\n").encode()


def _cut(line: Line) -> str:
    return f" [… line {line.number} is longer]"


def _numbered(line: Line, wanted: int) -> str:
    text = plain(line.data)
    shown = text[:LONGEST] + ("…" if line.cut or len(text) > LONGEST else "")
    return f"{'>' if line.number == wanted else ' '}{line.number:6}  {shown}\n"


def _heading(opening: Opening) -> str:
    command = opening.command
    if command is None:
        return ""
    how = "was stopped" if command.exit_code is None else f"ended with {command.exit_code}"
    text = " ".join(made_visible(line) for line in command.name.splitlines())
    return f"command {command.number} {how}: {text[:LONGEST]}\n"
