"""Draws a run's plain output, read from standard input, as the picture in the README.

    make run ONCE=1 | .venv/bin/python scripts/picture.py >docs/run.svg

Colours go by how a line begins. Nothing is fetched by whoever looks at it: no fonts, no scripts.
"""

from __future__ import annotations

import re
import sys
from html import escape

WIDEST = 104
SIZE, WIDTH, LEADING, MARGIN = 13, 7.82, 19, 22
COLOURS = (
    (re.compile(r"== |sealock "), "#e6edf3", "bold"),
    (re.compile(r"==> "), "#79c0ff", "bold"),
    (re.compile(r"\$ "), "#d2a8ff", "bold"),
    (re.compile(r"green|ok |Authentic|✔"), "#56d364", "bold"),
    (re.compile(r"red|Error|✘"), "#ff7b72", "bold"),
    (re.compile(r"    |---"), "#8b949e", "normal"),
)


def row(number: int, line: str) -> str:
    """One line of text as SVG."""
    colour, weight = next((c, w) for begins, c, w in (*COLOURS, DEFAULT) if begins.match(line))
    y = MARGIN + SIZE + number * LEADING
    text = escape(line if len(line) <= WIDEST else line[: WIDEST - 1] + "…")
    return f'<text x="{MARGIN}" y="{y}" fill="{colour}" font-weight="{weight}">{text}</text>'


DEFAULT = (re.compile(""), "#c9d1d9", "normal")


def picture(lines: list[str]) -> str:
    """The whole picture; `lines` without ends of line."""
    height = 2 * MARGIN + len(lines) * LEADING
    width = round(2 * MARGIN + WIDEST * WIDTH)
    rows = "\n".join(row(number, line) for number, line in enumerate(lines) if line)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        ' aria-label="A build by Sealock, as seen in a terminal">\n'
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>\n'
        f'<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="{SIZE}"'
        f' xml:space="preserve">\n{rows}\n</g>\n</svg>\n'
    )


if __name__ == "__main__":
    sys.stdout.write(picture([line.rstrip() for line in sys.stdin]))
