"""What a receipt that was truly signed still has to show: a table of questions with yes-or-no answers.

`CONSISTENT` asks whether the receipt agrees with itself; a no means that it says nothing at all. `PROMISES`
asks what it says; a no means that a promise was not kept, and that Sealock admits it. Each question is a
function of the statements alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from sealock.core.build import Outcome
from sealock.core.decision import Allowed, Decision, Denied
from sealock.core.machine import NEXT_STATES, STATE_DEADLINES, Ending, MachineState, Origin
from sealock.ledger.predicates import (
    BUILDER_PREFIX,
    GitCommit,
    MachineLife,
    ProvenanceStatement,
    ReceiptStatement,
)

LONGEST_END = STATE_DEADLINES[MachineState.ENDING]


@dataclass(frozen=True)
class Statements:
    """Both statements, with the id of the key that signed them."""

    provenance: ProvenanceStatement
    receipt: ReceiptStatement
    key_id: str


Question = Callable[[Statements], Decision]


def belong_together(it: Statements) -> Decision:
    """The two lines are of the same receipt: neither was taken from another, nor made by hand."""
    told = it.receipt.predicate
    meant = it.provenance.predicate.run_details.metadata
    if told.provenance.sha256 != hashlib.sha256(it.provenance.canonical()).hexdigest():
        return Denied("the second statement was made for another provenance than the one above it")
    if told.invocation_id != meant.invocation_id:
        return Denied("the two statements are about different builds")
    if it.receipt.subject != it.provenance.subject:
        return Denied("the two statements are about different commits")
    if (told.started_on, told.finished_on) != (meant.started_on, meant.finished_on):
        return Denied("the two statements disagree about when the build started and finished")
    return Allowed()


def names_its_signer(it: Statements) -> Decision:
    """Provenance counts for the installation it names, and for no other."""
    named = it.provenance.predicate.run_details.builder.id
    if named != BUILDER_PREFIX + it.key_id:
        return Denied("it names another installation as the builder than the one that signed it")
    return Allowed()


def names_what_it_used(it: Statements) -> Decision:
    """The commit and the image are the same wherever they are named."""
    dependencies = it.provenance.predicate.build_definition.resolved_dependencies
    sources = [each.digest for each in dependencies if each.name == "source"]
    images = [each.uri for each in dependencies if each.name == "image"]
    subject = it.provenance.subject[0].digest
    if sources != ([subject] if isinstance(subject, GitCommit) else []):
        return Denied("the commit it is about is not the commit that was built")
    machine = it.receipt.predicate.machine
    if len(images) != 1 or (machine and images[0] != f"urn:sealock:image:{machine.image}"):
        return Denied("its machine started from another image than the one it names")
    return Allowed()


def states_follow(it: Statements) -> Decision:
    """A machine's life goes forward, from its start, through no state twice."""
    machine = it.receipt.predicate.machine
    if machine is None:
        return Allowed()
    states = [entered.state for entered in machine.states]
    if states[:1] != [MachineState.STARTING]:
        return Denied("its machine did not begin by starting")
    for before, after in pairwise(states):
        if after not in NEXT_STATES[before]:
            return Denied(f"its machine went from {before} to {after}, where no machine can go")
    return Allowed()


def times_follow(it: Statements) -> Decision:
    """Nothing happened before what had to come first."""
    told = it.receipt.predicate
    entered = [state.at for state in told.machine.states] if told.machine else []
    busy = (
        [state.at for state in told.machine.states if state.state is MachineState.BUSY]
        if told.machine
        else []
    )
    released = [release.at for release in told.releases]
    orders: tuple[tuple[str, Iterable[str | None]], ...] = (
        ("its machine's states", entered),
        ("the build's start and end", (told.started_on, told.finished_on)),
        ("the build's start and its first command", (told.started_on, told.first_command_at)),
        ("the build's start and its key's", (told.started_on, told.key.opened_at if told.key else None)),
        ("the machine's first use and the first command", (*busy, told.first_command_at)),
        (
            "the build's start, its secrets' releases and its end",
            (told.started_on, *released, told.finished_on),
        ),
        ("the machine's first use and the first secret's release", (*busy, *released[:1])),
        ("the machine's end and its process's", _end(told.machine)),
    )
    for what, times in orders:
        known = [time for time in times if time is not None]
        if known != sorted(known):
            return Denied(f"{what} are out of order: made up, or the host's clock was set back meanwhile")
    return Allowed()


def commands_follow(it: Statements) -> Decision:
    """Commands ran in a machine, after the first had begun, and green means that all of them ended well."""
    told = it.receipt.predicate
    if told.commands and (told.machine is None or told.first_command_at is None):
        return Denied("it counts commands, but says of none when or where it ran")
    if told.outcome is Outcome.GREEN and any(command.exit_code != 0 for command in told.commands):
        return Denied("it calls a build green in which a command failed")
    return Allowed()


def log_and_secrets_fit(it: Statements) -> Decision:
    """Only builds of projects have a log and secrets, and only in a machine. A line has at least a byte."""
    told, log = it.receipt.predicate, it.receipt.predicate.log
    if not told.releases and log is None:
        return Allowed()
    if told.project is None or told.machine is None:
        return Denied("it has a log or secrets, but names no project whose, or no machine where")
    if log is not None and (log.lines > log.size or (log.lines == 0) != (log.size == 0)):
        return Denied(f"its log cannot have {log.lines} lines in {log.size} bytes")
    return Allowed()


def key_was_gone(it: Statements) -> Decision:
    """P3: opened once the machine was up, removed before the first line of the user's code."""
    told = it.receipt.predicate
    if told.key is None or (told.key.opened_at is None and told.key.removed_at is None):
        return Allowed()
    opened, ready = told.key.opened_at, _entered(told.machine, MachineState.READY)
    if opened is None:
        return Denied("the key was removed, but nobody knows when it was opened")
    if ready is None or opened < ready:
        return Denied("the key was opened before a machine was ready for it")
    for earlier in told.key.earlier:
        if not (in_time := _removed_in_time(earlier.opened_at, earlier.removed_at, opened)):
            return in_time
    return _removed_in_time(opened, told.key.removed_at, told.first_command_at)


def machine_was_new(it: Statements) -> Decision:
    """P4: a real machine, made for this build."""
    machine = it.receipt.predicate.machine
    if machine is not None and machine.origin is Origin.FAKE:
        return Denied("the build ran in a pretended machine, as tests use it")
    return Allowed()


def machine_is_gone(it: Statements) -> Decision:
    """P5: its process was reaped and its memory free, soon after it was told to end."""
    machine = it.receipt.predicate.machine
    if machine is None:
        return Allowed()
    if machine.states[-1].state is not MachineState.GONE or machine.ending is None:
        return Denied(f"the machine was last seen {machine.states[-1].state}, not gone")
    if machine.process_reaped_at is None:
        return Denied("nobody saw the machine's process end")
    if machine.memory_free_at is None:
        return Denied("nobody saw the machine's memory freed")
    return _ended_soon(machine)


def nothing_was_on_disk(it: Statements) -> Decision:
    """P6: by the kernel's count, the machine's processes wrote nothing to any disk."""
    machine = it.receipt.predicate.machine
    if machine is None:
        return Allowed()
    if machine.disk_bytes_written is None:
        return Denied("what the machine wrote to disks was not measured")
    if machine.disk_bytes_written > 0:
        return Denied(f"the machine's processes wrote {machine.disk_bytes_written} bytes to a disk")
    return Allowed()


def host_key_was_pinned(it: Statements) -> Decision:
    """P9: the machine was known by its own host key before anything was said to it."""
    machine = it.receipt.predicate.machine
    if machine and not re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}", machine.host_key_fingerprint):
        return Denied("the machine's host key is not named")
    return Allowed()


CONSISTENT: tuple[tuple[str, Question], ...] = (
    ("its two statements belong together", belong_together),
    ("it names the installation that signed it", names_its_signer),
    ("it names the commit and the image that were used", names_what_it_used),
    ("its machine's states follow each other", states_follow),
    ("its times follow each other", times_follow),
    ("its outcome follows from its commands", commands_follow),
    ("its log and secrets can be a build's", log_and_secrets_fit),
)

PROMISES: tuple[tuple[str, str, Question], ...] = (
    ("P3", "the key was removed before the first command", key_was_gone),
    ("P4", "the machine was new", machine_was_new),
    ("P5", "the machine is gone and its memory free", machine_is_gone),
    ("P6", "nothing was written to a disk", nothing_was_on_disk),
    ("P9", "the machine's host key was pinned", host_key_was_pinned),
)


def _entered(machine: MachineLife | None, state: MachineState) -> str | None:
    states = machine.states if machine else ()
    return next((entered.at for entered in states if entered.state is state), None)


def _removed_in_time(opened: str, removed: str | None, first_command: str | None) -> Decision:
    if removed is None:
        return Denied("the key was opened and nobody saw it removed")
    if removed < opened:
        return Denied("the key was removed before it was opened")
    if first_command is not None and first_command < removed:
        return Denied("a command ran, or the key was opened again, before the key was removed")
    return Allowed()


def _end(machine: MachineLife | None) -> tuple[str | None, ...]:
    """In order. A guest that ends by itself may be gone before we begin to end it."""
    if machine is None:
        return ()
    ours = machine.ending is Ending.DESTROYED
    begin = _entered(machine, MachineState.ENDING) if ours else _entered(machine, MachineState.STARTING)
    return begin, machine.process_reaped_at, machine.memory_free_at


def _ended_soon(machine: MachineLife) -> Decision:
    ending, free = _entered(machine, MachineState.ENDING), machine.memory_free_at
    assert ending is not None and free is not None and LONGEST_END is not None
    took = (datetime.fromisoformat(free) - datetime.fromisoformat(ending)).total_seconds()
    if took > LONGEST_END:
        return Denied(
            f"the machine's memory was free {took:.1f} s after the end, {LONGEST_END:.0f} s are allowed"
        )
    return Allowed()
