"""Events as text, as they stand between the lines of a build's log."""

from __future__ import annotations

import json
from dataclasses import asdict

from sealock.core.event import CommandEnded, CommandStarted, Event, Notice, PhaseEnded, PhaseStarted

_KINDS: dict[str, type[PhaseStarted | PhaseEnded | CommandStarted | CommandEnded | Notice]] = {
    "phase-started": PhaseStarted,
    "phase-ended": PhaseEnded,
    "command-started": CommandStarted,
    "command-ended": CommandEnded,
    "notice": Notice,
}
_NAMES: dict[type, str] = {kind: name for name, kind in _KINDS.items()}


def to_text(event: Event) -> str:
    """JSON of its fields and its kind. ValueError for output, which stands in the lines themselves."""
    name = _NAMES.get(type(event))
    if name is None:
        raise ValueError("output is no mark")
    return json.dumps({"event": name, **asdict(event)}, separators=(",", ":"))


def from_text(text: str) -> Event:
    """The event that `to_text` wrote. ValueError if that is none."""
    try:
        fields = json.loads(text)
        return _KINDS[fields.pop("event")](**fields)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("not an event") from error
