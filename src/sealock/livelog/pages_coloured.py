"""Lines as text for a terminal: with their looks as escape sequences of our own making, and no other ones.

A build prints what it likes, and a terminal obeys what it is shown. So a line is read as a page reads it,
and what is written is the text of that with colours out of the table of `ansi_style`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sealock.core.log import Line
from sealock.core.log_times import by_the_clock
from sealock.livelog.ansi import MOST_SPANS, Ansi, Span

_CODES = {
    "bold": "1",
    "dim": "2",
    "italic": "3",
    "underline": "4",
    "inverse": "7",
    "strike": "9",
    "sign": "7",
}


def text_lines(lines: Iterable[Line], *, colours: bool, times: bool) -> Iterator[bytes]:
    """Each in UTF-8 with a newline. times: it begins with when it came, by the clock. Looks that a line
    leaves switched on hold for the next."""
    ansi = Ansi()
    for line in lines:
        shown = ansi.show(line.data)
        text = _coloured(shown.spans) if colours else shown.text
        time = f"{by_the_clock(line.at)} " if times else ""
        cut = f" [… line {line.number} is longer]" if line.cut else ""
        yield f"{time}{text}{cut}\n".encode()


def _coloured(spans: tuple[Span, ...]) -> str:
    """What follows behind `MOST_SPANS` of them has no look, as on a page."""
    return "".join(
        f"\x1b[{codes}m{span.text}\x1b[0m" if number < MOST_SPANS and (codes := _codes(span)) else span.text
        for number, span in enumerate(spans)
    )


def _codes(span: Span) -> str:
    return ";".join(code for name in span.look.classes.split() if (code := _code(name.removeprefix("t-"))))


def _code(name: str) -> str:
    kind, _, number = name.partition("-")
    if number:
        return f"{'38' if kind == 'fg' else '48'};5;{number}"
    return _CODES.get(name, "")
