"""What a search in a log found, with the lines around it, and the text itself made out."""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass

from sealock.core.log import Found, Line, LogReader
from sealock.livelog.ansi import Ansi, Look, Shown, Span
from sealock.livelog.pages import BEGINNING, MOST_HTML, Row

MOST_FOUND = 1000
"""Lines that are counted."""

AT_ONCE = 20
"""Lines that are shown."""

_AROUND = 2  # lines before and behind
_MOST_MADE_OUT = 200  # places in one line
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@dataclass(frozen=True)
class Hit:
    """number: which of all it is, from 1. rows: the line that has the text, and those around it."""

    number: int
    line: int
    rows: list[Row]


@dataclass(frozen=True)
class Hits:
    """of: how many lines have it. more: there are more than those."""

    hits: list[Hit]
    of: int
    more: bool


def search(reader: LogReader, text: str, *, first: int = 1, ignore_case: bool = False) -> Hits:
    """The `AT_ONCE` lines from the `first` of all on that have this text. Looks are the line's own.

    ignore_case: of A to Z. UsageError if that is nothing to search for.
    """
    found = reader.search(text, limit=MOST_FOUND + 1, ignore_case=ignore_case)
    counted = found[:MOST_FOUND]
    showing = _Showing(text, ignore_case)
    begin = max(0, first - 1)
    hits = [
        Hit(number, each.line, showing.rows(_around(reader, each), each.line))
        for number, each in enumerate(counted[begin : begin + AT_ONCE], begin + 1)
    ]
    return Hits(hits, len(counted), len(found) > MOST_FOUND)


def _around(reader: LogReader, found: Found) -> list[Line]:
    first = max(1, found.line - _AROUND)
    return reader.read(first, found.line + _AROUND - first + 1)


class _Showing:
    """Rows for one answer, which has a bound as a page has."""

    def __init__(self, text: str, ignore_case: bool) -> None:
        self._text, self._ignore_case, self._size = text, ignore_case, 0

    def rows(self, lines: list[Line], wanted: int) -> list[Row]:
        return [self._row(line, line.number == wanted) for line in lines]

    def _row(self, line: Line, is_wanted: bool) -> Row:
        data = line.data if is_wanted and self._size < MOST_HTML else line.data[:BEGINNING]
        shown = Ansi().show(data)
        html = (made_out(shown, self._text, self._ignore_case) if is_wanted else shown).html
        self._size += len(html)
        return Row(line.number, html, line.at, line.cut or len(data) < len(line.data), shown.hidden)


def made_out(shown: Shown, text: str, ignore_case: bool) -> Shown:
    """The same with a class at each place that reads as the text."""
    places = list(_places(shown.text, text, ignore_case))
    return Shown(tuple(_cut_at(places, shown.spans)), shown.hidden) if places else shown


def _places(line: str, text: str, ignore_case: bool) -> Iterator[tuple[int, int]]:
    line, text = (line.translate(_LOWER), text.translate(_LOWER)) if ignore_case else (line, text)
    place = line.find(text)
    for _ in range(_MOST_MADE_OUT):
        if place < 0:
            return
        yield place, place + len(text)
        place = line.find(text, place + len(text))


def _cut_at(places: list[tuple[int, int]], spans: tuple[Span, ...]) -> Iterator[Span]:
    """places: in order, behind one another."""
    begin, next_place = 0, 0
    for text, look in spans:
        end, done = begin + len(text), begin
        while next_place < len(places) and places[next_place][0] < end:
            start, stop = places[next_place]
            yield from _span(text, look, done - begin, start - begin)
            done = min(stop, end)
            yield from _span(text, _found(look), max(start - begin, 0), done - begin)
            if stop > end:
                break
            next_place += 1
        yield from _span(text, look, done - begin, end - begin)
        begin = end


def _span(text: str, look: Look, begin: int, end: int) -> Iterator[Span]:
    if max(begin, 0) < end:
        yield Span(text[max(begin, 0) : end], look)


def _found(look: Look) -> Look:
    return Look(f"t-found {look.classes}".rstrip(), look.link)
