"""What is to be shown of a build, put together from what it tells while it runs.

Lines are counted as the log's writer counts them: an event ends a line that was not finished.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sealock.builds.described import Described
from sealock.builds.reported import LONGEST_TEXT, LONGEST_WORD, MOST_PHASES, MOST_SHOWN_STEPS
from sealock.core.build import Outcome
from sealock.core.build_state import StepState
from sealock.core.builds import PhaseView, Progress, StepView
from sealock.core.event import CommandEnded, Event, Output, PhaseEnded, PhaseStarted
from sealock.core.plan import Plan

STOPPED = frozenset(
    {Outcome.CANCELLED, Outcome.SILENT, Outcome.TOO_LONG, Outcome.MACHINE_LOST, Outcome.ERROR}
)
"""Outcomes of builds whose last step did not end by itself."""


@dataclass
class Told:
    """Fed with events; `progress` is all there is to say so far."""

    _phases: list[PhaseView] = field(default_factory=list)
    _steps: list[StepView] = field(default_factory=list)
    _described: Described | None = None
    _plan_digest: str | None = None
    _lines: int = 0
    _unfinished: bool = False
    _running: int | None = None

    def planned(self, plan: Plan, described: Described) -> None:
        """It is known what will run, and of which commit."""
        self._described, self._plan_digest = described, plan.digest
        self._steps = [
            StepView(number, _fitting(_name(step.kind, step.name)), step.kind, StepState.WAITING)
            for number, step in enumerate(plan.steps[:MOST_SHOWN_STEPS], 1)
        ]

    def take(self, event: Event) -> None:
        """Something happened."""
        if isinstance(event, Output):
            self._count(event.data)
            return
        self._lines += self._unfinished
        self._unfinished = False
        match event:
            case PhaseStarted():
                self._begin(event)
            case PhaseEnded():
                self._end(event)
            case CommandEnded() if self._running is not None:
                self._change(self._running, exit_code=event.exit_code)

    def finish(self, outcome: Outcome) -> None:
        """It came out so; nothing runs any more."""
        for place, step in enumerate(self._steps):
            if step.state is StepState.WAITING:
                self._change(place, state=StepState.SKIPPED)
            elif step.state is StepState.RUNNING or (step.state is StepState.FAILED and outcome in STOPPED):
                self._change(place, state=StepState.STOPPED)

    def progress(self) -> Progress:
        """All of it."""
        told = self._described
        return Progress(
            phases=tuple(self._phases[-MOST_PHASES:]),
            steps=tuple(self._steps),
            commit=told.commit if told else None,
            message=_unicode(told.message) if told else "",
            author=_unicode(told.author) if told else "",
            plan_digest=self._plan_digest,
        )

    def _begin(self, event: PhaseStarted) -> None:
        self._phases.append(PhaseView(_fitting(event.name), event.at))
        self._running = self._place(event.name)
        if self._running is not None:
            first = self._lines + 1
            self._change(self._running, state=StepState.RUNNING, started_at=event.at, first_line=first)

    def _end(self, event: PhaseEnded) -> None:
        detail, name = _fitting(event.detail, LONGEST_TEXT), _fitting(event.name)
        for place in range(len(self._phases) - 1, -1, -1):
            if self._phases[place].name == name:
                ended = replace(self._phases[place], ended_at=event.at, ok=event.ok, detail=detail)
                self._phases[place] = ended
                break
        place_of_step = self._place(event.name)
        if place_of_step is not None:
            state = StepState.PASSED if event.ok else StepState.FAILED
            reason = "" if event.ok else detail
            self._change(place_of_step, state=state, ended_at=event.at, reason=reason)
            self._running = None

    def _place(self, phase: str) -> int | None:
        names = (_phase(step) for step in self._steps)
        return next((place for place, name in enumerate(names) if name == _fitting(phase)), None)

    def _change(self, place: int, **fields: object) -> None:
        self._steps[place] = replace(self._steps[place], **fields)  # type: ignore[arg-type]  # ours

    def _count(self, data: bytes) -> None:
        if data:
            self._lines += data.count(b"\n")
            self._unfinished = not data.endswith(b"\n")


def _name(kind: str, name: str) -> str:
    return "setup" if kind == "setup" else name


def _phase(step: StepView) -> str:
    return step.name if step.kind == "setup" else _fitting(f"{step.kind}:{step.name}")


def _fitting(text: str, longest: int = LONGEST_WORD) -> str:
    return _unicode(text)[:longest]


def _unicode(text: str) -> str:
    return text.encode(errors="replace").decode()
