"""What the pages of a log are made of, in the words that everybody else has for it (`core.log_pages`)."""

from __future__ import annotations

from collections.abc import Iterable

from sealock.core.errors import UsageError
from sealock.core.log import LogReader
from sealock.core.log_pages import (
    MOST_BYTES,
    MOST_LINES,
    LogHit,
    LogHits,
    LogLine,
    LogPage,
    LogUpdate,
)
from sealock.livelog import pages, pages_search
from sealock.livelog.pages_coloured import text_lines
from sealock.livelog.pages_follow import Update

_AT_ONCE = 250  # lines


def page_of(reader: LogReader, number: int) -> LogPage:
    """A page as it is now. UsageError if it is not there."""
    page = pages.page(reader, number)
    return LogPage(page.number, _lines(page.rows), page.pages, page.lines, page.tag, page.final)


def hits_of(reader: LogReader, text: str, first: int, ignore_case: bool) -> LogHits:
    """What a search found."""
    found = pages_search.search(reader, text, first=first, ignore_case=ignore_case)
    hits = [LogHit(hit.number, hit.line, _lines(hit.rows)) for hit in found.hits]
    return LogHits(hits, found.of, found.more)


def text_of(reader: LogReader, first: int, last: int | None, *, colours: bool, times: bool) -> bytes:
    """Lines as text. UsageError for too many at once."""
    first = max(1, first)
    last = reader.lines if last is None else min(last, reader.lines)
    if last - first >= MOST_LINES:
        raise _too_much(f"{last - first + 1} lines")
    found = bytearray()
    while first <= last and (lines := reader.read(first, min(_AT_ONCE, last - first + 1))):
        for line in text_lines(lines, colours=colours, times=times):
            found += line
        if len(found) > MOST_BYTES:
            raise _too_much(f"more than {MOST_BYTES} bytes")
        first = lines[-1].number + 1
    return bytes(found)


def updates_of(updates: Iterable[Update]) -> list[LogUpdate]:
    """What a follower is told."""
    return [LogUpdate(each.id, _line(each.row), each.again) for each in updates]


def _lines(rows: Iterable[pages.Row]) -> list[LogLine]:
    return [_line(row) for row in rows]


def _line(row: pages.Row) -> LogLine:
    return LogLine(row.number, row.html, row.at, row.cut, row.hidden)


def _too_much(what: str) -> UsageError:
    return UsageError(
        f"{what} of a log are too much at once",
        details=f"At most {MOST_LINES} lines and {MOST_BYTES} bytes are given out.",
        resolution="Ask for fewer lines, or download the whole log.",
    )
