"""What a machine's console said last is told of those that ended by themselves, and of no others."""

from __future__ import annotations

import pytest

from sealock.builds.console import CONSOLE_LINES, tell_console
from sealock.core.event import Event, Notice
from sealock.core.machine import Ending, MachineRecord, NetworkPolicy, Origin

LINES = [f"line {number}" for number in range(30)]


class Gone:
    """A machine as far as it is asked here."""

    def __init__(self, ending: Ending | None, lines: list[str]) -> None:
        self.record = MachineRecord("m", "sha256:0", Origin.CLONE, "tcg", NetworkPolicy.NONE, "SHA256:0")
        self.record.ending = ending
        self.lines = lines

    def console(self) -> str:
        return "\n".join(self.lines)


def told(ending: Ending | None, lines: list[str]) -> list[str]:
    events: list[Event] = []
    tell_console(Gone(ending, lines), events.append)  # type: ignore[arg-type]  # all that is asked of it
    return [event.text for event in events if isinstance(event, Notice)]


def test_the_end_is_told() -> None:
    assert told(Ending.POWERED_OFF, LINES) == [f"console: {line}" for line in LINES[-CONSOLE_LINES:]]


def test_of_a_panic_the_beginning_is_told() -> None:
    panic = [*LINES, "Kernel panic - not syncing: out of memory", *LINES]
    assert told(Ending.PANICKED, panic)[0] == "console: Kernel panic - not syncing: out of memory"
    assert len(told(Ending.PANICKED, panic)) == CONSOLE_LINES


@pytest.mark.parametrize("ending", [None, Ending.DESTROYED])
def test_of_one_that_was_ended_nothing_is_told(ending: Ending | None) -> None:
    assert told(ending, LINES) == []
