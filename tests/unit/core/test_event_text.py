"""Events survive being text."""

from __future__ import annotations

import pytest

from sealock.core.event import CommandEnded, CommandStarted, Event, Notice, Output, PhaseEnded, PhaseStarted
from sealock.core.event_text import from_text, to_text

EVENTS: list[Event] = [
    PhaseStarted("test:unit", 12.5),
    PhaseEnded("fetch", 13.5, ok=False, detail='"quoted" \n ü \udcff'),
    CommandStarted(3, "make\ntest", 14.0),
    CommandEnded(3, None, 0.25),
    Notice("\x1b[31mred"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_comes_back(event: Event) -> None:
    assert from_text(to_text(event)) == event
    assert to_text(event).isascii()


def test_output_is_no_text() -> None:
    with pytest.raises(ValueError, match="output"):
        to_text(Output(b"x"))


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "7", '{"event":"output","data":""}', '{"event":"notice","words":"x"}', '{"event":[]}',
     '{"event":"notice","text":5}',
     '{"event":"phase-started","name":"x","at":"now"}',
     '{"event":"phase-started","name":"x","at":true}',
     '{"event":"phase-started","name":"x","at":NaN}',
     '{"event":"phase-started","name":"x","at":1e999}',
     '{"event":"phase-ended","name":"x","at":1,"ok":null}',
     '{"event":"command-started","number":1.5,"line":"x","at":1}',
     '{"event":"command-ended","number":1,"exit_code":"0","seconds":1}',
     '{"event":"command-ended","number":1,"exit_code":null,"seconds":-Infinity}',
     '{"event":"notice","text":' + "[" * 100_000,
     ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_text(text)
