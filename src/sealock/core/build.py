"""A build: one commit's run, and how it came out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from sealock.core.errors import ExitCode
from sealock.core.log import LogSummary
from sealock.core.machine import MachineRecord
from sealock.core.sealed import Kind


class Outcome(StrEnum):
    """How a build came out. Everything but the last two is about the user's own commands."""

    GREEN = "green"
    RED = "red"  # a command ended with something other than 0
    SILENT = "silent"  # no output for longer than allowed
    TOO_LONG = "too-long"  # past the total time
    CANCELLED = "cancelled"
    MACHINE_LOST = "machine-lost"  # the guest ended under the build: out of memory, panic, power-off
    ERROR = "error"  # our own fault

    @property
    def exit_code(self) -> ExitCode:
        """What the command line ends with."""
        if self is Outcome.GREEN:
            return ExitCode.GREEN
        if self is Outcome.ERROR:
            return ExitCode.INFRASTRUCTURE
        return ExitCode.BUILD_FAILED


@dataclass(frozen=True)
class CommandResult:
    """One command that ran. step: `setup` or a pipeline's name. exit_code None: it was stopped."""

    step: str
    line: str
    exit_code: int | None
    seconds: float


@dataclass(frozen=True)
class SecretRelease:
    """A secret that came for a step; never its value. kind: variable or file. step: its full name. at:
    seconds since 1970, by the worker's clock; the keeper wrote its own into the ledger before."""

    step: str
    kind: Kind
    name: str
    version: int
    at: float


@dataclass
class BuildRecord:
    """Everything a receipt is made of. id: random, 128 bits, hexadecimal. Times: seconds since 1970.

    source: a repository's address, or `directory:NAME`. working_tree: it was not a commit alone. log: of the
    sealed log, None where none was begun.
    """

    id: str
    source: str
    ref: str | None
    commit: str | None
    working_tree: bool
    pipelines: tuple[str, ...]
    image_name: str
    image_digest: str
    image_content: str
    plan_digest: str
    started_at: float
    machine: MachineRecord | None = None
    project: str | None = None
    key_fingerprint: str | None = None
    key_version: int | None = None
    key_opened_at: float | None = None
    key_removed_at: float | None = None
    # When it was opened and removed for machines that did not fit and ran no command.
    earlier_key_uses: list[tuple[float, float | None]] = field(default_factory=list)
    first_command_at: float | None = None
    commands: list[CommandResult] = field(default_factory=list)
    releases: list[SecretRelease] = field(default_factory=list)
    log: LogSummary | None = None
    outcome: Outcome | None = None
    reason: str = ""
    ended_at: float | None = None
