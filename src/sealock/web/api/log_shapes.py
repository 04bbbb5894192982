"""The JSON of a build's log."""

from __future__ import annotations

import html
import re
from typing import Literal

from sealock.core.log_pages import LogGroup, LogHits, LogLine, LogOutline, LogUpdate
from sealock.web.api.shapes import Told

_TAG = re.compile(r"<[^>]*>")


class Line(Told):
    """html: safe to put into a page. text: the same without colours. cut: there is more of it. hidden:
    something of it was written over."""

    number: int
    html: str
    text: str
    at: float
    cut: bool
    hidden: bool

    @staticmethod
    def of(line: LogLine) -> Line:
        return Line(**vars(line), text=plain(line.html))


class Lines(Told):
    """Part of a log. next: the number of the line that follows, as there is one by now; null at the end."""

    items: list[Line]
    next: int | None
    total_lines: int


class Group(Told):
    """A range of lines that can be folded. last: null while it goes on. ok, exit_code, seconds: of a phase
    or a command that has ended."""

    kind: str
    name: str
    first: int
    last: int | None
    is_open: bool
    ok: bool | None
    exit_code: int | None
    seconds: float | None
    groups: list[Group]

    @staticmethod
    def of(group: LogGroup) -> Group:
        return Group(**vars(group) | {"groups": [Group.of(inner) for inner in group.groups]})


class Note(Told):
    """What the build said of itself."""

    line: int
    level: str
    text: str


class Outline(Told):
    """failing_line: where to open the log of a build that failed. tool: whose error stands there."""

    total_lines: int
    complete: bool
    groups: list[Group]
    notes: list[Note]
    failing_line: int | None
    failing_command: str | None
    tool: str | None

    @staticmethod
    def of(outline: LogOutline) -> Outline:
        parts = {
            "groups": [Group.of(group) for group in outline.groups],
            "notes": [Note(**vars(note)) for note in outline.notes],
        }
        return Outline(**vars(outline) | parts)


class Hit(Told):
    """number: which of all, from 1. lines: the one that has the text, and those around it."""

    number: int
    line: int
    lines: list[Line]


class Hits(Told):
    """of: how many lines have it. more: there are more than are counted. next: the `first` of the hits that
    follow; null at the end."""

    items: list[Hit]
    next: int | None
    of: int
    more: bool

    @staticmethod
    def told(hits: LogHits) -> Hits:
        items = [
            Hit(number=hit.number, line=hit.line, lines=[Line.of(line) for line in hit.lines])
            for hit in hits.hits
        ]
        last = items[-1].number if items else 0
        return Hits(
            items=items, next=last + 1 if items and last < hits.of else None, of=hits.of, more=hits.more
        )


class Update(Line):
    """A line that came, in the stream. again: it stands in the place of the one told before."""

    again: bool

    @staticmethod
    def told(update: LogUpdate) -> Update:
        return Update(**vars(update.line), text=plain(update.line.html), again=update.again)


class End(Told):
    """The last of the stream."""

    status: str
    complete: Literal[True] = True


def plain(marked: str) -> str:
    """A line's text, out of its HTML, which we made: each `<` in it begins a tag."""
    return html.unescape(_TAG.sub("", marked))
