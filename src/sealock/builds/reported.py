"""Whether what a worker says of a build agrees with what the server knows: decisions on data.

A worker is trusted with the builds it was given and with nothing else. It measures, and its record is signed;
so what the server knows better is held against it: which build, project and commit, which key, how long.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sealock.core.build import BuildRecord, Outcome
from sealock.core.builds import Progress, StepView, Work
from sealock.core.decision import Allowed, Decision, Denied
from sealock.core.machine import MachineState

MOST_PHASES = 100
MOST_SHOWN_STEPS = 256
LONGEST_WORD = 300
LONGEST_TEXT = 4000
"""Characters of a name, and of anything longer."""

LATEST = 1e11
"""Seconds since 1970: no clock is past it, and every calendar has it."""
MOST_LINES = 10**12
CODES = range(-(2**31), 2**31)
"""What a program can end with, and a database keep."""
STEP_KINDS = frozenset({"setup", "test", "deploy"})

OF_COMMANDS = frozenset({Outcome.GREEN, Outcome.RED, Outcome.SILENT, Outcome.TOO_LONG})
"""What only commands in a machine come to, of which there is a record."""

CLOCKS = 300.0
"""Seconds by which a worker's clock may differ from the server's."""

COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def progress_fits(progress: Progress, commit: str | None) -> Decision:
    """Whether it can be kept. commit: the build's, if it is known."""
    words = [text for phase in progress.phases for text in (phase.name,)]
    words += [text for step in progress.steps for text in (step.name, step.kind)]
    texts = [phase.detail for phase in progress.phases] + [step.reason for step in progress.steps]
    texts += [progress.message, progress.author]
    if len(progress.phases) > MOST_PHASES or len(progress.steps) > MOST_SHOWN_STEPS:
        return Denied("it has too many phases or steps")
    if any(len(word) > LONGEST_WORD for word in words) or any(len(text) > LONGEST_TEXT for text in texts):
        return Denied("it has a text that is too long")
    if [step.number for step in progress.steps] != list(range(1, len(progress.steps) + 1)):
        return Denied("its steps are not numbered from 1")
    if not all(map(_can_be, progress.steps)) or not all(
        _is_time(phase.started_at) and _is_time(phase.ended_at) for phase in progress.phases
    ):
        return Denied("it has a number that cannot be, or a kind of step there is not")
    if progress.plan_digest is not None and not DIGEST.fullmatch(progress.plan_digest):
        return Denied("its plan has no digest")
    return _commit_fits(progress.commit, commit)


def _can_be(step: StepView) -> bool:
    return (
        step.kind in STEP_KINDS
        and (step.exit_code is None or step.exit_code in CODES)
        and (step.first_line is None or 1 <= step.first_line <= MOST_LINES)
        and _is_time(step.started_at)
        and _is_time(step.ended_at)
    )


def _is_time(at: float | None) -> bool:
    return at is None or 0 <= at <= LATEST


def needs_record(outcome: Outcome) -> Decision:
    """Whether an attempt can have come out so without a record of it."""
    return Denied("nothing says what ran") if outcome in OF_COMMANDS else Allowed()


@dataclass(frozen=True)
class Reported:
    """A record, what is known, and how it is said to have come out. run: the attempt's id. now: seconds since
    1970. log: digest of the log that came, None if none did."""

    record: BuildRecord
    work: Work
    run: str
    outcome: Outcome
    now: float
    log: str | None


def record_fits(reported: Reported) -> Decision:
    """Whether a record can be signed."""
    for why, holds in CONDITIONS.items():
        if not holds(reported):
            return Denied(why)
    return _commit_fits(reported.record.commit, reported.work.build.commit)


def _commit_fits(said: str | None, known: str | None) -> Decision:
    if said is not None and not COMMIT.fullmatch(said):
        return Denied("that is no commit")
    if said is not None and known is not None and said != known:
        return Denied("it is of another commit")
    return Allowed()


def _of_this_attempt(one: Reported) -> bool:
    return one.record.id == one.run


def _of_this_project(one: Reported) -> bool:
    record, project = one.record, one.work.project
    return (record.project, record.source) == (project.name, str(project.address)) and not record.working_tree


def _of_this_ref(one: Reported) -> bool:
    return one.record.ref == one.work.build.ref


def _by_this_key(one: Reported) -> bool:
    """Its version may have counted up while the build ran; the key that was used is older then."""
    record, project = one.record, one.work.project
    if record.key_version is None or record.key_version > project.sealed_key.version:
        return False
    same = record.key_version == project.sealed_key.version
    return not same or record.key_fingerprint == fingerprint(project.public_key)


def _of_what_was_asked(one: Reported) -> bool:
    asked = one.work.build.pipelines
    return not asked or set(one.record.pipelines) <= set(asked)


def _in_its_time(one: Reported) -> bool:
    begun = one.work.build.started_at or one.work.build.created_at
    ended = one.record.ended_at
    return ended is not None and begun - CLOCKS <= one.record.started_at <= ended <= one.now + CLOCKS


def _of_a_machine_that_is_gone(one: Reported) -> bool:
    machine = one.record.machine
    return machine is not None and bool(machine.states) and machine.state is MachineState.GONE


def _as_it_came_out(one: Reported) -> bool:
    return one.record.outcome is one.outcome


def _green_if_all_passed(one: Reported) -> bool:
    commands = one.record.commands
    return one.outcome is not Outcome.GREEN or all(command.exit_code == 0 for command in commands)


def _with_the_log_that_came(one: Reported) -> bool:
    log = one.record.log
    return log is None or (log.build_id == one.run and log.digest == one.log)


CONDITIONS: Mapping[str, Callable[[Reported], bool]] = {
    "it is of another build or attempt": _of_this_attempt,
    "it is of another project or repository": _of_this_project,
    "it is of another branch or tag": _of_this_ref,
    "it names a key that is not the project's": _by_this_key,
    "it ran pipelines nobody asked for": _of_what_was_asked,
    "its times are not those of the build": _in_its_time,
    "its machine is not gone": _of_a_machine_that_is_gone,
    "it came out otherwise": _as_it_came_out,
    "it is green, and a command failed": _green_if_all_passed,
    "its log is not the one that came": _with_the_log_that_came,
}


def fingerprint(public_key: str) -> str:
    """As OpenSSH shows it, of an OpenSSH public key line."""
    blob = base64.b64decode(public_key.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
