"""An outline as it is kept: JSON, of one of five lengths, so that how long it is says next to nothing of it.

    {"form": 1, "groups": [GROUP, …], "notes": [[line, level, text], …], "failing": FAILING}
    GROUP    [kind, name, first, last, is_open, ok, exit_code, seconds, [GROUP, …]]
    FAILING  null, or [line, command, tool]

It comes from whoever wrote the log, so nothing in it is believed: each value has its type and its bounds,
each range lies within the one around it, each text can be shown, and there is never more of it than fits a
page.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sealock.core.log_pages import LogGroup, LogNote, LogOutline
from sealock.livelog.ansi_signs import made_visible
from sealock.livelog.groups import DEEPEST, MOST_GROUPS, MOST_NOTES

FORM = 1

LENGTHS = (4096, 16 * 1024, 64 * 1024, 256 * 1024, 640 * 1024)
"""Bytes: of one that is kept."""

KINDS = frozenset({"phase", "command", "group"})
LEVELS = frozenset({"notice", "warning", "error"})

_PADDING = b" "
_DEEPEST = DEEPEST + 2  # within a phase and a command
_LONGEST = 4000  # characters of a text
_MOST = 2**40  # of any number


@dataclass(frozen=True)
class _Fit:
    """How much of an outline is kept: groups, notes, and the characters of a name and a note."""

    groups: int
    notes: int
    name: int
    text: int


_FITS = (
    _Fit(MOST_GROUPS, MOST_NOTES, 2000, 3000),
    _Fit(MOST_GROUPS, MOST_NOTES // 2, 60, 200),
    _Fit(MOST_GROUPS // 4, MOST_NOTES // 10, 60, 200),
)


def encode(outline: LogOutline) -> bytes:
    """As it is kept. Of one that is too large, as much as there is room for: texts are cut first, then what
    comes last is left out. ValueError for what cannot be written."""
    for fit in _FITS:
        data = json.dumps(_told(outline, fit), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        encoded = data.encode()
        for length in LENGTHS:
            if len(encoded) <= length:
                return encoded.ljust(length, _PADDING)
    raise ValueError("there is too much of it")


def decode(data: bytes, lines: int, *, complete: bool) -> LogOutline:
    """The outline of a log of that many lines. ValueError if it is not one."""
    if len(data) > LENGTHS[-1]:
        raise ValueError("there is too much of it")
    try:
        told = json.loads(data)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(told, dict) or set(told) != {"form", "groups", "notes", "failing"}:
        raise ValueError("not an outline")
    if told["form"] != FORM:
        raise ValueError("of another form")
    line, command, tool = (None, None, None) if told["failing"] is None else _parts(told["failing"], 3)
    reading = _Reading(lines, complete)
    return LogOutline(
        total_lines=lines,
        complete=complete,
        groups=reading.groups(told["groups"], 1, lines, 1),
        notes=reading.notes(told["notes"]),
        failing_line=None if line is None else _number(line, 1, max(1, lines)),
        failing_command=None if command is None else _text(command),
        tool=None if tool is None else made_visible(_text(tool)),
    )


def _told(outline: LogOutline, fit: _Fit) -> dict[str, Any]:
    room = iter(range(fit.groups))
    failing = None
    if outline.failing_line is not None:
        command = outline.failing_command
        failing = [outline.failing_line, command and _shown(command[: fit.name]), outline.tool]
    return {
        "form": FORM,
        "groups": list(_groups_told(outline.groups, fit, room)),
        "notes": [
            [note.line, note.level, _shown(note.text[: fit.text])] for note in outline.notes[: fit.notes]
        ],
        "failing": failing,
    }


def _groups_told(groups: Sequence[LogGroup], fit: _Fit, room: Iterator[int]) -> Iterator[list[Any]]:
    for group in groups:
        if next(room, None) is None:
            return
        yield [
            group.kind,
            _shown(group.name[: fit.name]),
            group.first,
            group.last,
            group.is_open,
            group.ok,
            group.exit_code,
            group.seconds,
            list(_groups_told(group.groups, fit, room)),
        ]


def _shown(text: str) -> str:
    """Without what no page can be sent: bytes of a command that were no text."""
    return text.encode(errors="replace").decode()


class _Reading:
    """What is left of an outline's room while it is read."""

    def __init__(self, lines: int, complete: bool) -> None:
        self._lines, self._complete = lines, complete
        self._room = MOST_GROUPS

    def groups(self, told: object, first: int, last: int, depth: int) -> list[LogGroup]:
        """Groups within a range of lines."""
        if not isinstance(told, list) or (told and depth > _DEEPEST):
            raise ValueError("not groups")
        return [self._group(each, first, last, depth) for each in told]

    def notes(self, told: object) -> list[LogNote]:
        if not isinstance(told, list) or len(told) > MOST_NOTES:
            raise ValueError("not notes")
        return [self._note(*_parts(each, 3)) for each in told]

    def _note(self, line: object, level: object, text: object) -> LogNote:
        shown = "\n".join(made_visible(each) for each in _text(text).split("\n"))
        return LogNote(_number(line, 1, self._lines), _one_of(LEVELS, level), shown)

    def _group(self, told: object, around_first: int, around_last: int, depth: int) -> LogGroup:
        kind, name, first, last, is_open, ok, exit_code, seconds, groups = _parts(told, 9)
        self._room -= 1
        if self._room < 0:
            raise ValueError("too many groups")
        if not isinstance(is_open, bool) or not (ok is None or isinstance(ok, bool)):
            raise ValueError("not a group")
        begin = _number(first, around_first, around_last + 1)
        if last is None and self._complete:
            raise ValueError("a group without an end in a log that has one")
        end = None if last is None else _number(last, begin - 1, around_last)
        group = LogGroup(
            kind=_one_of(KINDS, kind),
            name=_text(name) if kind == "command" else made_visible(_text(name)),
            first=begin,
            last=end,
            is_open=is_open,
            ok=ok,
            exit_code=None if exit_code is None else _number(exit_code, -_MOST, _MOST),
            seconds=None if seconds is None else _seconds(seconds),
        )
        return replace(
            group, groups=self.groups(groups, begin, around_last if end is None else end, depth + 1)
        )


def _parts(told: object, count: int) -> list[Any]:
    if not isinstance(told, list) or len(told) != count:
        raise ValueError("not as long as it should be")
    return told


def _text(told: object) -> str:
    """One that can be sent: no half of a pair of surrogates."""
    if not isinstance(told, str) or len(told) > _LONGEST:
        raise ValueError("not a text")
    told.encode()
    return told


def _one_of(known: frozenset[str], told: object) -> str:
    if not isinstance(told, str) or told not in known:
        raise ValueError("not one of those there are")
    return told


def _number(told: object, least: int, most: int) -> int:
    if not isinstance(told, int) or isinstance(told, bool) or not least <= told <= most:
        raise ValueError("not such a number")
    return told


def _seconds(told: object) -> float:
    if not isinstance(told, int | float) or isinstance(told, bool) or not abs(told) < _MOST:
        raise ValueError("not a time")  # nor is what is no number
    return float(told)
