"""The phases and commands of a log, out of the marks between its lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from sealock.core.event import CommandEnded, CommandStarted, Event, PhaseEnded, PhaseStarted
from sealock.core.event_text import from_text
from sealock.core.log import Mark


@dataclass(frozen=True)
class Stretch:
    """The lines of a phase or a command. kind: `phase` or `command`. first, last: line numbers; last is
    first - 1 if it printed nothing, and None while it runs, or if the log ends before it did.

    number: of a command, from 1. ok: whether it did what it was for, None if not known. exit_code: of a
    command; None as well if it was stopped. seconds: how long it took.
    """

    kind: str
    name: str
    first: int
    last: int | None = None
    number: int | None = None
    ok: bool | None = None
    exit_code: int | None = None
    seconds: float | None = None
    at: float = 0.0

    @property
    def ended(self) -> bool:
        """It is over."""
        return self.last is not None


def events(marks: Iterable[Mark]) -> Iterator[tuple[Mark, Event]]:
    """The marks that are events; others are left out."""
    for mark in marks:
        try:
            yield mark, from_text(mark.text)
        except ValueError:
            continue


def stretches(marks: Iterable[Mark]) -> list[Stretch]:
    """Phases and commands in the order they began. One that was never ended ends where the next of its
    kind begins, or its phase ends; what ends without having begun is left out."""
    found = _Stretches()
    for mark, event in events(marks):
        found.add(mark, event)
    return found.all


class _Stretches:
    """all: so far. The positions in it of the phase and the command that are under way, if any."""

    def __init__(self) -> None:
        self.all: list[Stretch] = []
        self._phase: int | None = None
        self._command: int | None = None

    def add(self, mark: Mark, event: Event) -> None:
        if isinstance(event, PhaseStarted):
            self._end_phase(mark, ok=None)
            self._phase = self._begin(Stretch("phase", event.name, mark.line, at=event.at))
        elif isinstance(event, PhaseEnded):
            self._end_phase(mark, ok=event.ok, at=event.at)
        elif isinstance(event, CommandStarted):
            self._end_command(mark)
            self._command = self._begin(
                Stretch("command", event.line, mark.line, number=event.number, at=event.at)
            )
        elif isinstance(event, CommandEnded):
            self._end_command(mark, event)

    def _begin(self, stretch: Stretch) -> int:
        self.all.append(stretch)
        return len(self.all) - 1

    def _end_phase(self, mark: Mark, ok: bool | None, at: float | None = None) -> None:
        self._end_command(mark)
        if self._phase is not None:
            phase = self.all[self._phase]
            seconds = None if at is None else at - phase.at
            self.all[self._phase] = replace(phase, last=mark.line - 1, ok=ok, seconds=seconds)
            self._phase = None

    def _end_command(self, mark: Mark, event: CommandEnded | None = None) -> None:
        if self._command is None:
            return
        command = replace(self.all[self._command], last=mark.line - 1)
        if event is not None:
            code = event.exit_code
            command = replace(command, ok=code == 0, exit_code=code, seconds=event.seconds)
        self.all[self._command] = command
        self._command = None
