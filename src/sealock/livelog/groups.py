"""A log as a tree of ranges of lines that can be folded: phases, commands, and the groups scripts mark.

Whatever comes, it keeps at most `MOST_GROUPS` ranges and `MOST_NOTES` notes, no marked group deeper than
`DEEPEST`, and each range lies within the one it is in: a group that is never ended ends with its command.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sealock.core.log import Line, LogReader, Mark
from sealock.livelog.groups_markers import Marker
from sealock.livelog.groups_marks import Stretch, stretches
from sealock.livelog.groups_notes import Note
from sealock.livelog.groups_said import Said, said_in

MOST_GROUPS = 5000
MOST_NOTES = 1000
DEEPEST = 12

_AT_ONCE = 500  # lines
_FILE = re.compile(r"\S*[./]\S*(\s+\d{4}-.*)?")


@dataclass
class Group:
    """A range of lines, the marker's own included. last: None while it is not known; first - 1 if there is
    none. kind: `phase`, `command` or `group`. stretch: of a phase or command, how it went. is_open: it is
    shown open."""

    kind: str
    name: str
    first: int
    last: int | None = None
    is_open: bool = False
    stretch: Stretch | None = None
    groups: list[Group] = field(default_factory=list)


@dataclass(frozen=True)
class Outline:
    """left_out: how many groups and notes there were beyond what is kept."""

    groups: list[Group]
    notes: list[Note]
    left_out: int


def outline(reader: LogReader) -> Outline:
    """Of all that is in the log now. It reads each line once; `Outliner(reader.marks()).outline(None)` has
    phases and commands alone, at once."""
    found = Outliner(reader.marks())
    first = 1
    while lines := reader.read(first, _AT_ONCE):
        for line in lines:
            found.add(line)
        first = lines[-1].number + 1
    return found.outline(reader.lines if reader.complete else None)


class Outliner:
    """marks: all there are for the lines that are going to be added, in order."""

    def __init__(self, marks: Iterable[Mark]) -> None:
        self._left_out = 0
        self._groups: list[Group] = []
        self._commands: list[Group] = []  # or phases, in order of where they begin
        self._notes: list[Note] = []
        self._count = 0
        for stretch in stretches(marks):
            self._add_stretch(stretch)
        self._next = 0
        self._around: list[Group] = []  # the phase and the command that the next line is in
        self._open: list[tuple[Marker, Group]] = []
        self._held: tuple[Marker, int] | None = None  # `--- x`, which may be the head of a difference

    def add(self, line: Line) -> None:
        """The next line."""
        self.add_said(said_in(line.data, line.number))

    def add_said(self, said: Said) -> None:
        """The next line that says something; those before it that say nothing may be left out."""
        self._move_to(said.number)
        if said.note is not None:
            self._keep_note(said.note)
        if self._held is not None:
            held, self._held = self._held, None
            if held[1] + 1 == said.number and _is_difference(held[0], said.marker):
                return
            self._apply(*held)
        if said.marker is None:
            return
        if said.may_be_a_difference:
            self._held = said.marker, said.number
        else:
            self._apply(said.marker, said.number)

    def pass_to(self, number: int, *, end: bool = False) -> None:
        """No line up to that number says anything more. end: and no group goes beyond it."""
        self._move_to(number)
        if self._held is not None and self._held[1] < number:
            held, self._held = self._held, None
            self._apply(*held)
        if end:
            self._end_all(number)

    def outline(self, last: int | None) -> Outline:
        """last: the last line's number if the log is at its end, None if more is to come."""
        if last is not None:
            self._end_all(last)
            for group in (*self._commands, *self._groups):
                group.last = last if group.last is None else group.last
        for groups in (self._groups, *(group.groups for group in self._commands)):
            groups.sort(key=lambda group: group.first)
        return Outline(self._groups, self._notes, self._left_out)

    def _add_stretch(self, stretch: Stretch) -> None:
        group = Group(stretch.kind, stretch.name, stretch.first, stretch.last, not stretch.ok, stretch)
        phase = self._groups[-1] if self._groups and self._groups[-1].kind == "phase" else None
        inside = stretch.kind == "command" and phase is not None and _holds(phase, group)
        if self._keep(phase.groups if inside and phase else self._groups, group):
            self._commands.append(group)

    def _keep(self, groups: list[Group], group: Group) -> bool:
        if self._count >= MOST_GROUPS:
            self._left_out += 1
            return False
        self._count += 1
        groups.append(group)
        return True

    def _keep_note(self, said: Note) -> None:
        if len(self._notes) < MOST_NOTES:
            self._notes.append(said)
        else:
            self._left_out += 1

    def _move_to(self, number: int) -> None:
        """Groups end where the phase or command they are in does, or another begins."""
        while self._around and (last := self._around[-1].last) is not None and last < number:
            self._end_all(last)
            self._around.pop()
        while self._next < len(self._commands) and self._commands[self._next].first <= number:
            begun = self._commands[self._next]
            self._next += 1
            self._end_all(begun.first - 1)
            if begun.last is None or begun.last >= number:
                self._around.append(begun)

    def _end_all(self, last: int) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            self._apply(*held)
        self._end(0, last)

    def _apply(self, found: Marker, number: int) -> None:
        if found.kind == "open":
            if self._open:
                self._open[-1][1].is_open = True
        elif found.kind == "end":
            self._end_one(found, number)
        else:
            self._begin(found, number)

    def _begin(self, found: Marker, number: int) -> None:
        """A new group of GitHub's or Azure's ends the one before, as it does there; so does a new step of
        Buildkite's. Sections lie within one another."""
        if found.family != "section":
            for depth, (before, _) in enumerate(self._open):
                if before.family == found.family:
                    self._end(depth, number - 1)
                    break
        around = self._open[-1][1] if self._open else next(reversed(self._around), None)
        group = Group("group", found.name, number, is_open=found.is_open)
        if len(self._open) >= DEEPEST:
            self._left_out += 1
        elif self._keep(self._groups if around is None else around.groups, group):
            self._open.append((found, group))

    def _end_one(self, found: Marker, number: int) -> None:
        """The innermost group that this ends, with those in it. If there is none, nothing."""
        for depth in reversed(range(len(self._open))):
            begun = self._open[depth][0]
            if (begun.family, begun.key) == (found.family, found.key):
                self._end(depth, number)
                return

    def _end(self, depth: int, last: int) -> None:
        for _, group in self._open[depth:]:
            group.last = max(group.first, last)
        del self._open[depth:]


def _holds(phase: Group, command: Group) -> bool:
    """A phase ends behind its commands, so one that goes further is in none."""
    if phase.last is None:
        return True
    return command.last is not None and command.first - 1 <= command.last <= phase.last


def _is_difference(before: Marker, found: Marker | None) -> bool:
    """`--- a/file` with `+++ b/file` below it, with or without times behind them."""
    return found is not None and all(
        each.family == "step" and _FILE.fullmatch(each.name) for each in (before, found)
    )


def every_group(groups: Iterable[Group]) -> Iterator[Group]:
    """Each of a tree, from above to below."""
    for group in groups:
        yield group
        yield from every_group(group.groups)
