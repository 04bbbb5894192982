"""One line of a log after the other, made into text with a look, and into HTML.

Understood is what tools print into logs: colours and the like (`ESC [ … m`), writing over a line from its
beginning (`\\r`), clearing it (`ESC [ K`), and links. Every other escape sequence is left out, one that does
not end included. What remains are characters that can be seen. The HTML holds `span` and `a` elements
alone, their classes out of `ansi_style.CLASSES`.

Each line costs time in proportion to its length, whatever is in it: no sequence here makes blanks or
moves what is there.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from functools import cache
from html import escape
from itertools import groupby
from typing import NamedTuple

from sealock.livelog.ansi_link import link_start, link_target
from sealock.livelog.ansi_signs import in_need_of_care, misplaced, sign, unseen
from sealock.livelog.ansi_style import PLAIN, Style, changed, classes

MOST_SPANS = 2000
"""Of one line. A line that changes its look with every letter would be a page of a gigabyte."""

_CONTROL = re.compile(r"[^\t\x20-\x7e]")
_SGR_ALONE = re.compile(r"\x1b\[([0-9;:]*+)m")
_SGR = re.compile(rb"\x1b\[([0-9;:]*+)m")

_SEQUENCES = (
    r"\x1b\[(?P<sgr>[0-9;:]*+)m",
    r"\x1b\[(?P<erase>[0-9]?)K",
    r"\x1b\]8;(?P<link>[^\x07\x1b\x18\x1a]*+)(?:\x07|\x1b\\)",
    # Up to where a string ends, or is broken off by another sequence or by the end of the line.
    r"(?P<other>\x1b\][^\x07\x1b\x18\x1a]*+(?:\x07|\x1b\\)?"
    r"|\x1b[P_^X][^\x1b\x18\x1a]*+(?:\x1b\\)?"
    r"|\x1b\[[\x30-\x3f]*+[\x20-\x2f]*+[\x40-\x7e]?"
    r"|\x1b[\x20-\x2f]*+[\x30-\x7e])",
    r"(?P<back>\r)",
)


class Look(NamedTuple):
    """classes: names with blanks between them. link: the address it leads to."""

    classes: str = ""
    link: str | None = None


class Span(NamedTuple):
    """A stretch of text of one look."""

    text: str
    look: Look


class Shown(NamedTuple):
    """One line as it is shown. hidden: something of it was written over or cleared and is not shown."""

    spans: tuple[Span, ...]
    hidden: bool = False

    @property
    def text(self) -> str:
        """All that can be read of it."""
        return "".join(span.text for span in self.spans)

    @property
    def html(self) -> str:
        """The same in elements; what follows behind `MOST_SPANS` of them has no look."""
        rest = "".join(span.text for span in self.spans[MOST_SPANS:])
        groups = groupby(self.spans[:MOST_SPANS], key=lambda span: span.look.link)
        return "".join([*(_linked(link, list(spans)) for link, spans in groups), escape(rest)])


class Ansi:
    """Reads lines in order; what a line leaves switched on holds for the next. style: before the first.
    hidden: whether something of the line read last is not shown."""

    def __init__(self, style: Style = PLAIN) -> None:
        self.style = style
        self.hidden = False

    def show(self, data: bytes) -> Shown:
        """A line without its newline, of any bytes."""
        text = data.decode(errors="surrogateescape").rstrip("\r")
        line = _Overwritten() if "\r" in text else _Line()
        shown = self._read(text, line)
        self.hidden = shown.hidden
        return shown

    def html(self, data: bytes) -> str:
        """`show(data).html`, sooner for a line that holds nothing but text that is seen and its looks."""
        text = data.decode(errors="surrogateescape").rstrip("\r")
        first, *rest = _SGR_ALONE.split(escape(text))
        seen = "".join([first, *rest[1::2]])
        if len(rest) > MOST_SPANS or (_CONTROL if seen.isascii() else in_need_of_care()).search(seen):
            return self.show(data).html
        self.hidden = False
        pieces = [_element(first, classes(self.style))]
        for parameters, text in zip(rest[::2], rest[1::2], strict=True):
            self.style = changed(self.style, parameters)
            pieces.append(_element(text, classes(self.style)))
        return "".join(pieces)

    def skip(self, data: bytes) -> None:
        """Take in what this line switches on and off."""
        for parameters in _SGR.findall(data):
            self.style = changed(self.style, parameters.decode())

    def _read(self, text: str, line: _Line) -> Shown:
        """A link ends with its line, at the latest."""
        position, link = 0, None
        look = Look(classes(self.style))
        for found in _tokens().finditer(text):
            if found.start() > position:
                line.write(text[position : found.start()], look)
            position = found.end()
            kind = found.lastgroup
            if kind == "sgr":
                self.style = changed(self.style, found["sgr"])
                look = Look(classes(self.style), link)
            elif kind == "link":
                link = link_target(found["link"])
                look = Look(look.classes, link)
            elif kind == "unseen":
                line.sign(sign(found[0]), _of_a_sign(look))
            elif kind != "other":
                line.move(found["erase"])
        line.write(text[position:], look)
        return Shown(tuple(_with_signs(list(line.spans()))), line.hidden)


class _Line:
    """A line that is never gone back in: a list of its pieces."""

    def __init__(self) -> None:
        self._pieces: list[Span] = []
        self.hidden = False

    def write(self, text: str, look: Look) -> None:
        if text:
            self._pieces.append(Span(text, look))

    def sign(self, text: str, look: Look) -> None:
        """One that stands for one character."""
        self._pieces.append(Span(text, look))

    def move(self, erase: str | None) -> None:
        """To the beginning, or clear: all of it with 2, else what is behind, of which there is nothing."""
        if erase == "2":
            self.hidden = self.hidden or bool(self._pieces)
            self._pieces.clear()

    def spans(self) -> Iterator[Span]:
        return iter(self._pieces)


class _Overwritten(_Line):
    """A line that is written over: a list of its characters, with a look for each."""

    def __init__(self) -> None:
        super().__init__()
        self._characters: list[str] = []
        self._looks: list[Look] = []
        self._place = 0

    def write(self, text: str, look: Look) -> None:
        self._put(list(text), look)

    def sign(self, text: str, look: Look) -> None:
        self._put([text], look)

    def move(self, erase: str | None) -> None:
        """Clearing all of a line also goes back to its beginning: no blanks are made up to the place."""
        if erase is None or erase == "2":
            self._place = 0
        if erase in {"", "0", "2"}:
            self.hidden = self.hidden or self._place < len(self._characters)
            del self._characters[self._place :]
            del self._looks[self._place :]

    def spans(self) -> Iterator[Span]:
        pairs = zip(self._looks, self._characters, strict=True)
        for look, group in groupby(pairs, key=lambda pair: pair[0]):
            yield Span("".join(character for _, character in group), look)

    def _put(self, characters: list[str], look: Look) -> None:
        end = self._place + len(characters)
        self.hidden = (
            self.hidden
            or self._characters[self._place : end] != characters[: len(self._characters) - self._place]
        )
        self._characters[self._place : end] = characters
        self._looks[self._place : end] = [look] * len(characters)
        self._place = end


@cache
def _tokens() -> re.Pattern[str]:
    """Sequences first; what begins none and cannot be seen is shown by a sign."""
    return re.compile("|".join([*_SEQUENCES, f"(?P<unseen>{unseen()})"]))


def _with_signs(spans: list[Span]) -> list[Span]:
    """A sign for each character that has not the neighbour it needs, now that it is known who that is."""
    text = "".join(span.text for span in spans)
    places = [] if text.isascii() else [found.start() for found in misplaced().finditer(text)]
    return list(_with_signs_at(places, spans)) if places else spans


def _with_signs_at(places: list[int], spans: list[Span]) -> Iterator[Span]:
    """places: in ascending order, within the texts put together."""
    waiting, begin = deque(places), 0
    for text, look in spans:
        end, done = begin + len(text), begin
        while waiting and waiting[0] < end:
            place = waiting.popleft()
            if place > done:
                yield Span(text[done - begin : place - begin], look)
            yield Span(sign(text[place - begin]), _of_a_sign(look))
            done = place + 1
        if done < end:
            yield Span(text[done - begin :], look)
        begin = end


def _of_a_sign(look: Look) -> Look:
    return Look(f"t-sign {look.classes}".rstrip(), look.link)


def _linked(link: str | None, spans: list[Span]) -> str:
    """One element for a link of many looks, so that its address is there once."""
    inner = "".join(_element(escape(span.text), span.look.classes) for span in spans)
    return f"{link_start(link)}{inner}</a>" if link else inner


def _element(text: str, names: str) -> str:
    """Of text that is escaped."""
    return f'<span class="{names}">{text}</span>' if names and text else text


def plain(data: bytes) -> str:
    """What can be read of one line."""
    return Ansi().show(data).text
