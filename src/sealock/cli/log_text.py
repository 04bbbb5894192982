"""A line of a log, which the server gives as HTML for pages, as text for a terminal.

The server says that its HTML is safe; here nobody relies on that. Only text and the looks of a fixed table
come out, and the sanitizer stands behind that too, as it does for what a local build prints.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

from sealock.cli.sanitize import RESET, Sanitizer

LOOKS = {
    "t-bold": "1",
    "t-dim": "2",
    "t-italic": "3",
    "t-underline": "4",
    "t-inverse": "7",
    "t-strike": "9",
    "t-sign": "2",
}
_COLOUR = re.compile(r"t-(fg|bg)-(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])")


def line_text(html: str, *, colour: bool) -> str:
    """One line, safe to print. colour: with the looks it has in pages."""
    reader = _Reader(colour)
    reader.feed(html)
    reader.close()
    sanitizer = Sanitizer(colour=colour)
    return "".join((sanitizer.feed(reader.text().encode(errors="replace")), sanitizer.finish())).replace(
        "\n", " "
    )


class _Reader(HTMLParser):
    """Gathers text, with a look for each element that has one."""

    def __init__(self, colour: bool) -> None:
        super().__init__(convert_charrefs=True)
        self._colour = colour
        self._looks: list[str] = []
        self._pieces: list[str] = []

    def text(self) -> str:
        return "".join(self._pieces)

    def handle_data(self, data: str) -> None:
        self._pieces.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = (dict(attrs).get("class") or "").split()
        self._looks.append(";".join(code for name in names if (code := _code(name))))
        self._look(self._looks[-1])

    def handle_endtag(self, tag: str) -> None:
        if self._looks and self._looks.pop() and self._colour:
            self._pieces.append(RESET)
            self._look(";".join(look for look in self._looks if look))

    def _look(self, codes: str) -> None:
        if codes and self._colour:
            self._pieces.append(f"\x1b[{codes}m")


def _code(name: str) -> str:
    """The terminal's code for a class; `` for one that changes nothing."""
    found = _COLOUR.fullmatch(name)
    if found:
        return f"{38 if found[1] == 'fg' else 48};5;{found[2]}"
    return LOOKS.get(name, "")
