"""The last words of a machine that ended by itself: its console says why, where it says anything."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from sealock.core.event import Emit, Notice
from sealock.core.machine import Ending, Machine

CONSOLE_LINES = 10


@runtime_checkable
class HasConsole(Protocol):
    """What some machines offer besides the port: the last lines of their console."""

    def console(self) -> str: ...


def tell_console(machine: Machine, emit: Emit) -> None:
    """Tell of a machine that is gone what its console said last, if nobody had ended it."""
    ended_by_itself = machine.record.ending not in {None, Ending.DESTROYED}
    if ended_by_itself and isinstance(machine, HasConsole):
        for line in _last_words(machine.console()):
            emit(Notice(f"console: {line}"))


def _last_words(console: str) -> list[str]:
    """Its end; of a panic its beginning, since that says why, and what follows is registers."""
    lines = console.splitlines()
    panics = (number for number, line in enumerate(lines) if "Kernel panic" in line)
    first = next(panics, max(0, len(lines) - CONSOLE_LINES))
    return lines[first : first + CONSOLE_LINES]
