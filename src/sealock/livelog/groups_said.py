"""Lines that say something about the log they stand in: a marker of a group, a note. Most say nothing, and
are passed over by one pattern for a whole piece of output, which costs next to nothing while output comes.

What is kept is bounded, whatever a build prints; what is beyond is not kept and nothing else is lost by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from sealock.livelog.groups_markers import Marker, marker
from sealock.livelog.groups_notes import LONGEST_MESSAGE, Note, note

MOST_SAID = 20_000
"""Lines: as many groups as are shown have as many ends, and more begin than are shown."""

MOST_HEARD = 4 << 20
"""Characters of them, and a hundred more for each."""

_LOOKED_AT = 4 * LONGEST_MESSAGE  # bytes of a line
_MAY_SAY = re.compile(
    rb"\n[ \t\r\f\v]*(?:\x1b\[[0-9;]*[mK])*"
    rb"(?:::(?:(?:end)?group::|(?:error|warning|notice)[ :])|##|section_|--- |\+\+\+ |~~~ |\^\^\^ \+)"
)


class Said(NamedTuple):
    """What line `number` says. may_be_a_difference: if the next line goes on with one."""

    number: int
    note: Note | None
    marker: Marker | None
    may_be_a_difference: bool


def said_in(data: bytes, number: int) -> Said:
    """What this line says, if anything."""
    return Said(number, note(data, number), marker(data), data.startswith(b"--- "))


class Listening:
    """Hears what the lines of a log say, out of pieces of output that end anywhere. line: the number of the
    one that the next piece goes on with."""

    def __init__(self) -> None:
        self.line = 1
        self._said: list[Said] = []
        self._heard = 0  # characters
        self._begun = b""  # of that line, up to what is looked at

    def add(self, output: bytes) -> None:
        """The next piece."""
        end = output.find(b"\n")
        if end < 0:
            self._begin(output)
            return
        self._begin(output[:end])
        self._hear(self._begun, self.line)
        self.line += 1
        last = output.rfind(b"\n")
        if self.is_full:
            self.line += output.count(b"\n", end + 1)
        else:
            self._hear_all(output, end, last)
        self._begun = output[last + 1 :][:_LOOKED_AT]

    def said(self) -> Iterator[Said]:
        """All so far, a last line without its end included."""
        yield from self._said
        if _MAY_SAY.match(b"\n" + self._begun):
            yield said_in(self._begun, self.line)

    @property
    def heard(self) -> int:
        """The number of the last line of which something came."""
        return self.line if self._begun else self.line - 1

    @property
    def is_full(self) -> bool:
        """Nothing more is kept."""
        return len(self._said) >= MOST_SAID or self._heard >= MOST_HEARD

    def _hear_all(self, output: bytes, first: int, last: int) -> None:
        """The whole lines between the newlines at these two places."""
        counted = first
        for found in _MAY_SAY.finditer(output, first, last):
            begin = found.start() + 1
            self.line += output.count(b"\n", counted + 1, begin)
            counted = begin - 1
            stop = output.find(b"\n", begin)
            self._hear(output[begin : min(stop, begin + _LOOKED_AT)], self.line)
            if self.is_full:
                break
        self.line += output.count(b"\n", counted + 1)

    def _begin(self, data: bytes) -> None:
        self._begun += data[: _LOOKED_AT - len(self._begun)]

    def _hear(self, data: bytes, number: int) -> None:
        if not self.is_full and _MAY_SAY.match(b"\n" + data):
            said = said_in(data, number)
            if said.note is not None or said.marker is not None:
                self._said.append(said)
                self._heard += 100 + _length(said)


def _length(said: Said) -> int:
    """Characters."""
    note, marker = said.note, said.marker
    told = len(note.message) + len(note.title) + len(note.path or "") if note else 0
    return told + (len(marker.name) + len(marker.key) if marker else 0)
