"""The outline of a log: groups, notes, and the line to open a failed one at.

Whoever writes a log hears what its lines say as they come and keeps the outline sealed in the log's last
chunk, so that who opens a log need not read it. It is believed no more than the log is: what does not fit the
log is made anew out of the log itself, as is that of a log without an end, or from before outlines were kept.
So is what a page shows: at most as much as is kept, whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from sealock.core.log import LogReader, Mark
from sealock.core.log_pages import LogGroup, LogNote, LogOutline
from sealock.livelog import failing, groups, outline_form
from sealock.livelog.format import MARK_ITSELF
from sealock.livelog.groups_notes import Note
from sealock.livelog.groups_said import Listening

MOST_MARKED = 4 << 20
"""Characters of marks of which an outline is made, those behind are left out."""

READ_FOR_GROUPS = 64 << 20
MOST_PIECES = 10_000
"""Bytes and pieces of output that are read for an outline that was not kept. What is behind them folds by
phases and commands only, which are known without reading it."""


class Outlining:
    """What an outline is made of, heard while a log is written."""

    def __init__(self) -> None:
        self._listening = Listening()
        self._marks: list[Mark] = []
        self._room = MOST_MARKED

    def mark(self, mark: Mark) -> None:
        """The next one."""
        self._room -= len(mark.text) + MARK_ITSELF
        if self._room >= 0:
            self._marks.append(mark)

    def add(self, output: bytes) -> None:
        """The next piece of output."""
        self._listening.add(output)

    def kept(self, reader: LogReader) -> bytes:
        """To be kept with the log, which ends here. reader: of all of it; it is read near the line that
        failed only. Empty if there is nothing that can be kept."""
        made = _made(self._listening, self._marks, reader, lines=reader.lines, complete=True)
        with suppress(ValueError):
            return outline_form.encode(made)
        return b""


def outline_of(reader: LogReader) -> LogOutline:
    """Groups, notes, and where to open a log that failed."""
    lines, complete = reader.lines, reader.complete
    with suppress(ValueError):
        return outline_form.decode(reader.outline(), lines, complete=complete)
    with suppress(ValueError):
        return outline_form.decode(_made_anew(reader), lines, complete=complete)
    return LogOutline(lines, complete, [], [])


def _made_anew(reader: LogReader) -> bytes:
    """In the form in which it is kept, so that it is bounded, and looked through, like that."""
    listening, number, size = Listening(), 0, 0
    while number < MOST_PIECES and size < READ_FOR_GROUPS and (piece := reader.piece(number)) is not None:
        listening.add(piece)
        number, size = number + 1, size + len(piece)
    marks = reader.marks(most=MOST_MARKED)
    made = _made(listening, marks, reader, lines=reader.lines, complete=reader.complete)
    return outline_form.encode(made)


def _made(
    listening: Listening, marks: Sequence[Mark], reader: LogReader, *, lines: int, complete: bool
) -> LogOutline:
    outliner = groups.Outliner(marks)
    for said in listening.said():
        outliner.add_said(said)
    outliner.pass_to(listening.heard, end=listening.heard < lines)
    found = outliner.outline(lines if complete else None)
    opening = failing.opening(reader, marks)
    command = opening.command if opening else None
    return LogOutline(
        total_lines=lines,
        complete=complete,
        groups=_groups(found.groups),
        notes=[_note(note) for note in found.notes],
        failing_line=opening.line if opening else None,
        failing_command=command.name if command else None,
        tool=opening.tool if opening else None,
    )


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
