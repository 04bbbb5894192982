"""Which line of a failed build's log to open at: where the command that failed says what is wrong.

Tools say it near the end of what they print, so its last lines are looked at first, and what is before
them piece by piece, up to a bound: a log of half a gigabyte is not read for this. In the piece that has
errors, the first is the one to read, because those behind it are often its consequence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sealock.core.log import Line, LogReader, Mark
from sealock.livelog.ansi import plain
from sealock.livelog.failing_patterns import Match, looks_like_an_error
from sealock.livelog.groups_marks import Stretch, stretches

PIECE = 2000
"""Lines that are looked at in one go."""

MOST_LINES = 20_000
MOST_BYTES = 16 * 1024 * 1024

_AT_ONCE = 250  # lines; of the longest ones 16 MiB
_LOOKED_AT = 4096  # bytes of a line, escape sequences included
_LAST = 10  # lines that are shown if nothing looks like an error


@dataclass(frozen=True)
class Opening:
    """line: the number to open at, 1 in an empty log. command: the one that failed, None if it was not a
    command. tool: whose error stands there, None if these are just the last lines before the failure."""

    line: int
    command: Stretch | None = None
    tool: str | None = None


def failed_stretch(marks: Iterable[Mark]) -> Stretch | None:
    """What failed: the first command that ended badly or was stopped, else the first phase that did, else
    a command that never ended. None if nothing did."""
    found = stretches(marks)
    commands = [each for each in found if each.kind == "command"]
    for each in (*commands, *(each for each in found if each.kind == "phase")):
        if each.ok is False:
            return each
    return commands[-1] if commands and not commands[-1].ended else None


def opening(reader: LogReader, marks: Iterable[Mark] | None = None) -> Opening | None:
    """Where to open this log. None if nothing in it failed. marks: its marks, if they are known already."""
    failed = failed_stretch(reader.marks() if marks is None else marks)
    if failed is None:
        return None
    last = reader.lines if failed.last is None else min(failed.last, reader.lines)
    command = failed if failed.kind == "command" else None
    budget = _Budget()
    end = last
    while end >= failed.first and (found := _piece(reader, failed.first, end, budget)):
        if error := _first_error(found):
            return Opening(error[0], command, error[1].tool)
        end = found[0].number - 1
    return Opening(max(1, min(failed.first, last), last - _LAST + 1), command)


class _Budget:
    """What may still be read."""

    def __init__(self) -> None:
        self.lines, self.bytes = MOST_LINES, MOST_BYTES

    def spend(self, lines: Sequence[Line]) -> None:
        self.lines -= len(lines)
        self.bytes -= sum(len(line.data) for line in lines)

    @property
    def is_spent(self) -> bool:
        return self.lines <= 0 or self.bytes <= 0


def _piece(reader: LogReader, first: int, end: int, budget: _Budget) -> list[Line]:
    """The lines up to number `end`, at most `PIECE`, fewer if the budget is spent; none if it was."""
    found: list[Line] = []
    behind, begin = end + 1, max(first, end - PIECE + 1)
    while behind > begin and not budget.is_spent:
        start = max(begin, behind - _AT_ONCE)
        lines = reader.read(start, behind - start)
        budget.spend(lines)
        found[:0] = lines
        behind = start
    return found


def _first_error(lines: Iterable[Line]) -> tuple[int, Match] | None:
    """The first that is surely one, else the first that may be."""
    maybe = None
    for line in lines:
        match = looks_like_an_error(plain(line.data[:_LOOKED_AT]))
        if match and match.sure:
            return line.number, match
        if match and maybe is None:
            maybe = line.number, match
    return maybe
