"""What happened to a build and to its machine decides how it came out."""

from __future__ import annotations

import asyncio

import pytest

from sealock.builds.verdict import Verdict, after_problem, after_steps
from sealock.core.build import BuildRecord, Outcome
from sealock.core.errors import ExitCode, PermanentError, SealockError, TemporaryError, UsageError
from sealock.core.machine import Ending, MachineRecord, NetworkPolicy, Origin

BY_ITSELF = [Ending.POWERED_OFF, Ending.PANICKED, Ending.LOST]


def record(ending: Ending | None) -> BuildRecord:
    machine = MachineRecord("m", "sha256:0", Origin.FAKE, "none", NetworkPolicy.INTERNET, "SHA256:0")
    machine.ending = ending
    digest = "sha256:" + "0" * 64
    return BuildRecord("b", "s", None, None, False, (), "base", digest, digest, digest, 0.0, machine)


@pytest.mark.parametrize("ending", BY_ITSELF)
@pytest.mark.parametrize("outcome", [Outcome.RED, Outcome.SILENT])
def test_failing_in_a_machine_that_went_away_is_the_machines_doing(ending: Ending, outcome: Outcome) -> None:
    assert after_steps(Verdict(outcome, "x"), record(ending)).outcome is Outcome.MACHINE_LOST


@pytest.mark.parametrize("ending", list(Ending))
@pytest.mark.parametrize("outcome", [Outcome.GREEN, Outcome.TOO_LONG])
def test_other_verdicts_stand(ending: Ending, outcome: Outcome) -> None:
    assert after_steps(Verdict(outcome), record(ending)) == Verdict(outcome)


def test_a_failure_in_a_machine_we_ended_stands() -> None:
    assert after_steps(Verdict(Outcome.RED, "x"), record(Ending.DESTROYED)) == Verdict(Outcome.RED, "x")


@pytest.mark.parametrize("ending", BY_ITSELF)
@pytest.mark.parametrize("problem", [TemporaryError("cut"), UsageError("git failed"), TimeoutError()])
def test_a_problem_in_a_machine_that_went_away_is_the_machines_doing(
    ending: Ending, problem: Exception
) -> None:
    verdict = after_problem(problem, record(ending))
    assert (verdict.outcome, verdict.error) == (Outcome.MACHINE_LOST, None)
    assert verdict.reason.startswith("the machine")


@pytest.mark.parametrize("problem", [TemporaryError("a"), PermanentError("b"), UsageError("c")])
def test_an_error_keeps_its_words_and_exit_code(problem: SealockError) -> None:
    verdict = after_problem(problem, record(Ending.DESTROYED))
    assert verdict == Verdict(Outcome.ERROR, problem.brief, problem)


def test_a_fault_of_ours_becomes_an_error_that_keeps_its_cause() -> None:
    problem = ZeroDivisionError("division by zero")
    verdict = after_problem(problem, record(Ending.DESTROYED))
    assert verdict.outcome is Outcome.ERROR
    assert verdict.error is not None
    assert verdict.error.__cause__ is problem
    assert verdict.error.exit_code is ExitCode.INFRASTRUCTURE


@pytest.mark.parametrize("ending", [Ending.DESTROYED, *BY_ITSELF])
def test_cancelled_is_cancelled(ending: Ending) -> None:
    assert after_problem(asyncio.CancelledError(), record(ending)).outcome is Outcome.CANCELLED


def test_what_ends_the_process_is_not_swallowed() -> None:
    with pytest.raises(SystemExit):
        after_problem(SystemExit(1), record(Ending.DESTROYED))
