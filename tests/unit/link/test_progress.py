"""What is shown of a build is put together from what it tells."""

from __future__ import annotations

import pytest

from sealock.builds.described import Described
from sealock.builds.reported import progress_fits
from sealock.core.build import Outcome
from sealock.core.build_state import StepState
from sealock.core.event import CommandEnded, CommandStarted, Notice, Output, PhaseEnded, PhaseStarted
from sealock.core.plan import Plan, Step
from sealock.link.progress import Told

COMMIT = "c" * 40
PLAN = Plan(
    "python",
    (
        Step("setup", "setup", ("make",)),
        Step("test", "unit", ("make test",)),
        Step("test", "slow", ("sleep 9",)),
    ),
)


def begun() -> Told:
    """The setup has run and printed two lines and a half."""
    told = Told()
    told.take(PhaseStarted("fetch", 1.0))
    told.take(PhaseEnded("fetch", 2.0, True, "cccc"))
    told.planned(PLAN, Described(COMMIT, "Add tea", "Ada"))
    told.take(PhaseStarted("setup", 3.0))
    told.take(CommandStarted(1, "make", 3.0))
    told.take(Output(b"one\ntwo\nthr"))
    told.take(Output(b"ee"))
    told.take(CommandEnded(1, 0, 1.0))
    told.take(PhaseEnded("setup", 4.0, True))
    return told


def test_all_steps_are_there_before_the_first_runs() -> None:
    told = Told()
    told.planned(PLAN, Described(COMMIT))
    assert [(step.number, step.name, step.kind, step.state) for step in told.progress().steps] == [
        (1, "setup", "setup", StepState.WAITING),
        (2, "unit", "test", StepState.WAITING),
        (3, "slow", "test", StepState.WAITING),
    ]


def test_a_step_begins_at_the_line_its_output_begins_at() -> None:
    """The third line was not finished; what follows it in the log begins a line of its own."""
    told = begun()
    told.take(PhaseStarted("test:unit", 5.0))
    told.take(Notice("a word"))
    told.take(Output(b"four\n"))
    assert [step.first_line for step in told.progress().steps] == [1, 4, None]


@pytest.mark.parametrize(
    ("outcome", "exit_code", "state"),
    [
        (Outcome.RED, 2, StepState.FAILED),
        (Outcome.SILENT, None, StepState.STOPPED),
        (Outcome.CANCELLED, None, StepState.STOPPED),
    ],
)
def test_how_the_last_step_came_out(outcome: Outcome, exit_code: int | None, state: StepState) -> None:
    told = begun()
    told.take(PhaseStarted("test:unit", 5.0))
    told.take(CommandStarted(2, "make test", 5.0))
    told.take(CommandEnded(2, exit_code, 1.0))
    told.take(PhaseEnded("test:unit", 6.0, False, "it did not pass"))
    told.finish(outcome)
    steps = told.progress().steps
    assert [step.state for step in steps] == [StepState.PASSED, state, StepState.SKIPPED]
    assert [step.exit_code for step in steps] == [0, exit_code, None]
    assert steps[1].reason == "it did not pass"


def test_what_is_said_always_fits() -> None:
    """Whatever a repository calls its things, the website can keep it."""
    told = Told()
    many = tuple(Step("test", f"{'n' * 400}{number}", ("true",)) for number in range(300))
    told.planned(Plan("python", many), Described(COMMIT, "m\udcff" * 2000, "a"))
    for number in range(150):
        told.take(PhaseStarted(f"test:{'n' * 400}{number}", 1.0))
        told.take(PhaseEnded(f"test:{'n' * 400}{number}", 2.0, False, "d\udcff" * 9000))
    progress = told.progress()
    assert progress_fits(progress, COMMIT)
    progress.message.encode()
