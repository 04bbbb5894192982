"""What the API says, in lines for people. All of it is a stranger's text: each piece is made safe here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from sealock.cli.display import seconds
from sealock.cli.sanitize import printable
from sealock.core.build import Outcome
from sealock.core.errors import ExitCode

Found = Mapping[str, Any]
SIGNS = {
    "queued": ("…", "cyan"),
    "running": ("▶", "cyan"),
    "stopping": ("▶", "yellow"),
    "green": ("✔", "green"),
    "cancelled": ("■", "yellow"),
}
OTHER = ("✘", "red")
LONGEST_CELL = 60
LARGEST = 1e15
"""What the API says of times and counts is far below; a number above it would not even be a float."""


def said(found: object, name: str) -> str:
    """A field as one safe line; `` where there is none."""
    value = found.get(name) if isinstance(found, Mapping) else None
    return "" if value is None or isinstance(value, (dict, list)) else printable(str(value))


def listed(found: object, name: str) -> list[Any]:
    """A field that is a list; empty where it is none."""
    value = found.get(name) if isinstance(found, Mapping) else None
    return value if isinstance(value, list) else []


def number(found: object, name: str) -> float | None:
    """A field that is a number."""
    value = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > LARGEST:
        return None
    return float(value)


def moment(found: object, name: str) -> str:
    """A time, in UTC to the second; `` where there is none."""
    value = number(found, name)
    try:
        return "" if value is None else datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return "?"


def took(found: object) -> str:
    """How long it took from its start to its end; `` if it has not ended."""
    begun, ended = number(found, "started_at"), number(found, "ended_at")
    return "" if begun is None or ended is None else seconds(max(0.0, ended - begun))


def status(build: Found) -> str:
    """`✔ green`: a sign and the word."""
    word = said(build, "status")
    sign, colour = SIGNS.get(word, OTHER)
    return click.style(f"{sign} {word}", fg=colour)


def exit_code(build: Found) -> ExitCode:
    """What a command ends with that waited for this build."""
    try:
        return Outcome(said(build, "outcome")).exit_code
    except ValueError:
        return ExitCode.INFRASTRUCTURE


def name_of(build: Found) -> str:
    """`shop#12`."""
    project = said(build, "project_name") or said(build, "project")
    return f"{project}#{said(build, 'number')}"


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines with columns as wide as they need; the last one is as long as it is."""
    widths = [max(len(click.unstyle(cell)) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(row, widths, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def short(text: str) -> str:
    """As much of a text as a column takes."""
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"


def fields(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Labelled lines; those that say nothing are left out."""
    width = max(len(label) for label, _ in pairs)
    for label, value in pairs:
        if value:
            yield f"{label:<{width}}  {value}"
