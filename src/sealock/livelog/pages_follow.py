"""The lines of a log that is being written, as they come, for a reader that goes away and comes back.

Each line has an id; whoever has shown a line and comes back with its id is told what came after it,
nothing twice and nothing left out. A last line without its end is told as far as it has come, and told
again, to be put in its own place, when there is more of it.

    120       line 120 is whole
    121.40    of line 121 there were 40 bytes
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sealock.core.errors import UsageError
from sealock.core.log import Line, LogReader
from sealock.livelog.ansi import Ansi
from sealock.livelog.pages import MOST_HTML, Row, row, style_before

AT_ONCE = 250
"""Lines of one `poll`, at most."""

_ID = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,6}))?")


@dataclass(frozen=True)
class Update:
    """id: to come back with. again: the line was told before, and this is to stand in its place."""

    id: str
    row: Row
    again: bool


class Follower:
    """Follows an open log. `poll` it when there may be more, and at once while it `is_behind`."""

    def __init__(self, reader: LogReader, last_id: str | None = None, *, first: int = 1) -> None:
        """last_id: of the last line that was shown, None if none was; then it begins with line `first`.
        UsageError if it is no id, or of a line that this log does not have."""
        reader.refresh()
        self._reader = reader
        self._next, self._told = (max(1, first), None) if last_id is None else _after(last_id)
        if self._next > reader.lines + 1:
            raise _no_such_line(last_id or str(first))
        self._ansi = Ansi(style_before(reader, self._next))

    @property
    def is_done(self) -> bool:
        """The log is at its end, and all of it was told."""
        return self._reader.complete and not self.is_behind

    @property
    def is_behind(self) -> bool:
        """There are whole lines that were not told yet."""
        return self._next < self._reader.lines + self._reader.complete

    def poll(self) -> list[Update]:
        """What came since the last time, in order; of much that came, the first part."""
        self._reader.refresh()
        updates: list[Update] = []
        size = 0
        for line in self._reader.read(self._next, AT_ONCE):
            is_whole = line.number < self._reader.lines or self._reader.complete
            if update := self._tell(line, is_whole):
                updates.append(update)
                size += len(update.row.html)
            if size > MOST_HTML:
                break
        return updates

    def _tell(self, line: Line, is_whole: bool) -> Update | None:
        """None if all that there is of it was told."""
        before, length = self._ansi.style, len(line.data) + line.cut
        told, self._told = self._told, length
        shown = row(self._ansi, line)
        if is_whole:
            self._next, self._told = line.number + 1, None
        else:
            self._ansi.style = before
        if told == length:
            return None
        return Update(str(line.number) if is_whole else f"{line.number}.{length}", shown, told is not None)


def _after(last_id: str) -> tuple[int, int | None]:
    """The line to go on with, and how much of it was told."""
    found = _ID.fullmatch(last_id)
    if found is None or (found[2] is not None and int(found[1]) == 0):
        raise _no_such_line(last_id)
    return (int(found[1]) + 1, None) if found[2] is None else (int(found[1]), int(found[2]))


def _no_such_line(last_id: str) -> UsageError:
    return UsageError(
        f"this log has no line {last_id[:40]!r} to go on from",
        resolution="Load the page again.",
    )
