"""Decides how a build came out, from what its steps said or what went wrong, and how its machine ended."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sealock.core.build import BuildRecord, Outcome
from sealock.core.errors import PermanentError, SealockError
from sealock.core.machine import Ending

_ENDED_BY_ITSELF = {
    Ending.POWERED_OFF: "the machine powered itself off",
    Ending.PANICKED: "the machine's kernel panicked, which running out of memory can cause",
    Ending.LOST: "the machine's process died or stopped answering",
}


@dataclass(frozen=True)
class Verdict:
    """outcome, and a sentence why. error: for outcome ERROR, what the person at the keyboard is told."""

    outcome: Outcome
    reason: str = ""
    error: SealockError | None = None


def after_steps(said: Verdict, record: BuildRecord) -> Verdict:
    """Steps that failed in a machine that ended by itself failed because of that."""
    lost = _lost(record)
    if lost and said.outcome in {Outcome.RED, Outcome.SILENT}:
        return Verdict(Outcome.MACHINE_LOST, lost)
    return said


def after_problem(problem: BaseException, record: BuildRecord) -> Verdict:
    """What an exception that ended a build means for it. One that is no error is raised again."""
    if isinstance(problem, asyncio.CancelledError):
        return Verdict(Outcome.CANCELLED, "it was cancelled")
    if not isinstance(problem, Exception):
        raise problem
    lost = _lost(record)
    if lost:
        return Verdict(Outcome.MACHINE_LOST, lost)
    error = problem if isinstance(problem, SealockError) else _fault(problem)
    return Verdict(Outcome.ERROR, error.brief, error)


def _lost(record: BuildRecord) -> str | None:
    ending = record.machine.ending if record.machine else None
    return _ENDED_BY_ITSELF.get(ending) if ending else None


def _fault(problem: Exception) -> SealockError:
    error = PermanentError(
        f"{type(problem).__name__}: {problem}",
        resolution="This is a fault of Sealock. SEALOCK_TRACEBACK=1 shows where it happened.",
    )
    error.__cause__ = problem
    return error
