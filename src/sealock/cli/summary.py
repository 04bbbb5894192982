"""What a run's last lines say: how it came out, where the time went, and what became of its machine."""

from __future__ import annotations

from collections.abc import Mapping

from sealock.builds.run import RunResult
from sealock.cli.display import seconds
from sealock.cli.sanitize import printable
from sealock.core.build import BuildRecord, Outcome
from sealock.core.machine import MachineRecord, MachineState

WORDS = {
    Outcome.GREEN: "green",
    Outcome.RED: "red: a command failed",
    Outcome.SILENT: "red: no output for too long",
    Outcome.TOO_LONG: "red: took too long",
    Outcome.CANCELLED: "cancelled",
    Outcome.MACHINE_LOST: "machine lost",
    Outcome.ERROR: "error",
}


def summary(result: RunResult, phases: Mapping[str, float]) -> list[str]:
    """The lines; `phases` are seconds by name."""
    record = result.record
    lines = [f"{verdict(record)} in {seconds((record.ended_at or record.started_at) - record.started_at)}"]
    if record.reason and record.outcome is not Outcome.GREEN:
        lines.append(f"  {printable(record.reason)}")
    if phases:
        lines.append("  time     " + " · ".join(f"{name} {seconds(taken)}" for name, taken in phases.items()))
    if record.commit:
        lines.append(f"  commit   {record.commit}{' and the working tree' * record.working_tree}")
    lines.extend(_key(record))
    if record.machine is not None:
        lines.append(_machine(record, record.machine))
    if result.receipt is not None:
        lines.append(f"  receipt  {result.receipt.path}")
    return lines


def verdict(record: BuildRecord) -> str:
    """How it came out, in a few words."""
    return WORDS[record.outcome or Outcome.ERROR]


def _key(record: BuildRecord) -> list[str]:
    if record.key_opened_at is None or record.key_removed_at is None:
        return []
    held = f"  key      opened for {seconds(record.key_removed_at - record.key_opened_at)}"
    if record.first_command_at is not None:
        held += (
            f", removed {seconds(record.first_command_at - record.key_removed_at)} before the first command"
        )
    return [held]


def _machine(record: BuildRecord, machine: MachineRecord) -> str:
    facts = [f"{machine.origin} of {record.image_name}, {machine.acceleration}"]
    facts.append("disk bytes written: " + _number(machine.disk_bytes_written))
    ending = dict(reversed(machine.states)).get(MachineState.ENDING)
    if ending is not None and machine.process_reaped_at is not None:
        facts.append(f"gone in {seconds(max(0.0, machine.process_reaped_at - ending))}")
    return "  machine  " + "; ".join(facts)


def _number(value: int | None) -> str:
    return "not measured" if value is None else f"{value:,}"
