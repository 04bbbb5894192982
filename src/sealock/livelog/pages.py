"""A log in pages of 500 lines, and the addresses of lines in it.

A page that is full never changes, so a browser keeps it. Its tag is made of what is on it, not of where it
is, so that it holds whatever happens to the log.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sealock.core.errors import UsageError
from sealock.core.log import Line, LogReader
from sealock.livelog.ansi import Ansi
from sealock.livelog.ansi_style import PLAIN, Style

PAGE = 500
"""Lines."""

MOST_HTML = 4_000_000
"""Characters. Of lines behind that many only the beginning is on a page."""

BEGINNING = 200
"""Bytes."""

FORMAT = 1
"""To be counted up when the same line becomes other HTML, so that no browser shows what it kept."""

_AT_ONCE = 100  # lines
_FRAGMENT = re.compile(r"#?L([1-9][0-9]{0,11})(?:-L?([1-9][0-9]{0,11}))?")


@dataclass(frozen=True)
class Row:
    """A line as it is shown. at: seconds since 1970. cut: there is more of the line than is shown. hidden:
    something of it was written over, as a progress bar is."""

    number: int
    html: str
    at: float
    cut: bool
    hidden: bool


@dataclass(frozen=True)
class Page:
    """number: from 1. pages, lines: how many there are by now. tag: for the header ETag, quotes included.
    final: it will not change any more."""

    number: int
    rows: list[Row]
    pages: int
    lines: int
    tag: str
    final: bool


def pages(lines: int) -> int:
    """How many pages that many lines are; a log without a line is one, too."""
    return max(1, -(-lines // PAGE))


def page_of(line: int) -> int:
    """The page a line is on."""
    return (line - 1) // PAGE + 1


def page(reader: LogReader, number: int | None = None) -> Page:
    """A page, the last one by default. UsageError if there is no such page."""
    count = pages(reader.lines)
    number = count if number is None else number
    if not 1 <= number <= count:
        raise UsageError(
            f"this log has no page {number}", resolution=f"Its pages have numbers from 1 to {count}."
        )
    first = (number - 1) * PAGE + 1
    style = style_before(reader, first)
    tag = _Tag(style)
    shown = rows(tag.of(_lines(reader, first, PAGE)), style)
    final = reader.complete or reader.lines > number * PAGE
    return Page(number, shown, count, reader.lines, str(tag), final)


def rows(lines: Iterable[Line], style: Style = PLAIN) -> list[Row]:
    """Lines as they are shown, in order. style: before the first of them."""
    ansi, found, size = Ansi(style), [], 0
    for line in lines:
        found.append(row(ansi, line, whole=size < MOST_HTML))
        size += len(found[-1].html)
    return found


def row(ansi: Ansi, line: Line, *, whole: bool = True) -> Row:
    """The next line. whole: all of it that was read, not just its beginning."""
    data = line.data if whole else line.data[:BEGINNING]
    html = ansi.html(data)
    return Row(line.number, html, line.at, line.cut or len(data) < len(line.data), ansi.hidden)


def style_before(reader: LogReader, line: int) -> Style:
    """What is switched on where a line begins, by what the page before it and its own page switch. What
    was switched on before is not known: no page is read for more than one other."""
    ansi = Ansi()
    first = max(1, (page_of(line) - 2) * PAGE + 1)
    for before in _lines(reader, first, line - first):
        ansi.skip(before.data)
    return ansi.style


def permalink(first: int, last: int | None = None) -> str:
    """The end of the address of a line, or of a range of lines: `#L120`, `#L120-L135`."""
    return f"#L{first}" if last is None or last == first else f"#L{min(first, last)}-L{max(first, last)}"


def linked_lines(fragment: str) -> tuple[int, int] | None:
    """The first and last line of such an address. None if it is none."""
    found = _FRAGMENT.fullmatch(fragment)
    if found is None:
        return None
    first, last = int(found[1]), int(found[2] or found[1])
    return min(first, last), max(first, last)


def _lines(reader: LogReader, first: int, count: int) -> Iterator[Line]:
    """As `read`, a few at a time: a page of the longest lines has 32 MiB."""
    behind = first + count
    while first < behind and (lines := reader.read(first, min(_AT_ONCE, behind - first))):
        yield from lines
        first = lines[-1].number + 1


class _Tag:
    """Of a page that begins in this style, once its lines have gone through."""

    def __init__(self, style: Style) -> None:
        begin = repr((FORMAT, style.fg, style.bg, sorted(style.attributes)))
        self._digest = hashlib.sha256(begin.encode())

    def of(self, lines: Iterable[Line]) -> Iterator[Line]:
        for line in lines:
            self._digest.update(b"%d %r %d\n%b\n" % (line.number, line.at, line.cut, line.data))
            yield line

    def __str__(self) -> str:
        return f'"{self._digest.hexdigest()[:32]}"'
