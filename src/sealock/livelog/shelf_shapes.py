"""What the pages of a log are made of, in the words that everybody else has for it (`core.log_pages`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sealock.core.errors import UsageError
from sealock.core.log import LogReader
from sealock.core.log_pages import (
    MOST_BYTES,
    MOST_LINES,
    LogGroup,
    LogHit,
    LogHits,
    LogLine,
    LogNote,
    LogOutline,
    LogPage,
    LogUpdate,
)
from sealock.livelog import failing, groups, pages, pages_search
from sealock.livelog.groups_notes import Note
from sealock.livelog.pages_coloured import text_lines
from sealock.livelog.pages_follow import Update

READ_FOR_GROUPS = 300_000
"""Lines. Of a longer log only phases and commands are told, which are known without reading it."""

_AT_ONCE = 250  # lines


def page_of(reader: LogReader, number: int) -> LogPage:
    """A page as it is now. UsageError if it is not there."""
    page = pages.page(reader, number)
    return LogPage(page.number, _lines(page.rows), page.pages, page.lines, page.tag, page.final)


def outline_of(reader: LogReader) -> LogOutline:
    """Groups, notes, and where to open a log that failed."""
    if reader.lines <= READ_FOR_GROUPS:
        found = groups.outline(reader)
    else:
        found = groups.Outliner(reader.marks()).outline(reader.lines if reader.complete else None)
    opening = failing.opening(reader)
    command = opening.command if opening else None
    return LogOutline(
        total_lines=reader.lines,
        complete=reader.complete,
        groups=_groups(found.groups),
        notes=[_note(note) for note in found.notes],
        failing_line=opening.line if opening else None,
        failing_command=command.name if command else None,
        tool=opening.tool if opening else None,
    )


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


def _groups(found: Sequence[groups.Group]) -> list[LogGroup]:
    return [_group(group) for group in found]


def _group(group: groups.Group) -> LogGroup:
    stretch = group.stretch
    return LogGroup(
        kind=group.kind,
        name=group.name,
        first=group.first,
        last=group.last,
        is_open=group.is_open,
        ok=stretch.ok if stretch else None,
        exit_code=stretch.exit_code if stretch else None,
        seconds=stretch.seconds if stretch else None,
        groups=_groups(group.groups),
    )


def _note(note: Note) -> LogNote:
    """With the place in the code it is about, as compilers write it."""
    place = ":".join(str(part) for part in (note.path, note.line, note.column) if part is not None)
    return LogNote(note.at, note.level, f"{place}: {note.message}" if place else note.message)


def _too_much(what: str) -> UsageError:
    return UsageError(
        f"{what} of a log are too much at once",
        details=f"At most {MOST_LINES} lines and {MOST_BYTES} bytes are given out.",
        resolution="Ask for fewer lines, or download the whole log.",
    )
