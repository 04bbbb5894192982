"""Events as text, as they stand between the lines of a build's log."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields

from sealock.core.event import CommandEnded, CommandStarted, Event, Notice, PhaseEnded, PhaseStarted

_KINDS: dict[str, type[PhaseStarted | PhaseEnded | CommandStarted | CommandEnded | Notice]] = {
    "phase-started": PhaseStarted,
    "phase-ended": PhaseEnded,
    "command-started": CommandStarted,
    "command-ended": CommandEnded,
    "notice": Notice,
}
_MOST = 2**50
_NAMES: dict[type, str] = {kind: name for name, kind in _KINDS.items()}


def to_text(event: Event) -> str:
    """JSON of its fields and its kind. ValueError for output, which stands in the lines themselves."""
    name = _NAMES.get(type(event))
    if name is None:
        raise ValueError("output is no mark")
    return json.dumps({"event": name, **asdict(event)}, separators=(",", ":"))


def from_text(text: str) -> Event:
    """The event that `to_text` wrote. ValueError if that is none: who wrote it may have written anything."""
    try:
        told = json.loads(text)
        event = _KINDS[told.pop("event")](**told)
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError("not an event") from error
    if not all(_FITS[str(field.type)](getattr(event, field.name)) for field in fields(event)):
        raise ValueError("not an event's values")
    return event


def _is_number(value: object) -> bool:
    """Of a size that a time or a count can have; so it is finite, too."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _MOST


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and _is_number(value)


_FITS: dict[str, Callable[[object], bool]] = {
    "str": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "float": _is_number,
    "int": _is_whole,
    "int | None": lambda value: value is None or _is_whole(value),
}
