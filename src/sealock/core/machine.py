"""A machine: a guest that serves one run and is gone afterwards.

`async with machines.machine(spec) as machine:` starts one; leaving the block ends it, whatever the
reason. What was measured on the way is in `machine.record`, complete once the block is left.
"""

from __future__ import annotations

import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class MachineState(StrEnum):
    """A machine's life. It goes forward only."""

    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    ENDING = "ending"
    GONE = "gone"


NEXT_STATES: Mapping[MachineState, frozenset[MachineState]] = {
    MachineState.STARTING: frozenset({MachineState.READY, MachineState.ENDING}),
    MachineState.READY: frozenset({MachineState.BUSY, MachineState.ENDING}),
    MachineState.BUSY: frozenset({MachineState.ENDING}),
    MachineState.ENDING: frozenset({MachineState.GONE}),
    MachineState.GONE: frozenset(),
}

STATE_DEADLINES: Mapping[MachineState, float | None] = {
    # Seconds a machine may stay in a state. A cold boot in software emulation takes about 6 s on a
    # quiet machine; a busy one may be twenty times slower.
    MachineState.STARTING: 180.0,
    # A pooled clone that nobody took is ended and made anew: its certificate has run out by then.
    MachineState.READY: 3600.0,
    # The longest build; the plan's own limit is shorter.
    MachineState.BUSY: 6 * 3600.0,
    # Killing a process takes milliseconds; past this the reaper is told.
    MachineState.ENDING: 30.0,
    MachineState.GONE: None,
}


class NetworkPolicy(StrEnum):
    """Where a machine may connect to. Under each of them never the host's loopback or addresses,
    private ranges, link-local, cloud metadata or another guest, unless the operator's allow-list
    names it; never port 25. `git-only` leaves the project's Git server open, on the ports it is fetched
    by and for SSH and HTTPS, and no names but its own; the checkout itself needs none of this."""

    NONE = "none"
    GIT_ONLY = "git-only"
    INTERNET = "internet"


@dataclass(frozen=True)
class MachineSpec:
    """What to start. image: a digest. memory_mib: guest RAM; disk_mib: how much of it files may take.
    git_server: host and port that `git-only` leaves open, None if there is none."""

    image: str
    memory_mib: int = 1024
    cpus: int = 1
    disk_mib: int = 768
    network: NetworkPolicy = NetworkPolicy.INTERNET
    git_server: tuple[str, int] | None = None


class Origin(StrEnum):
    """How a machine came to be."""

    POOL = "pool"
    CLONE = "clone"
    COLD_BOOT = "cold-boot"
    FAKE = "fake"


class Ending(StrEnum):
    """How a machine's life ended."""

    DESTROYED = "destroyed"  # by us, on leaving the block
    POWERED_OFF = "powered-off"  # by the guest itself
    PANICKED = "panicked"  # the guest's kernel
    LOST = "lost"  # its process died or stopped answering


@dataclass(frozen=True)
class Limit:
    """A limit and whether this host enforces it. mechanism: `cgroup v1`, `rlimit`, `qemu`, …"""

    name: str
    value: str
    mechanism: str
    enforced: bool


@dataclass
class MachineRecord:
    """What was measured about one machine, filled in as it lives. Times are seconds since 1970."""

    id: str
    image: str
    origin: Origin
    acceleration: str
    network: NetworkPolicy
    host_key_fingerprint: str
    states: list[tuple[MachineState, float]] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    disk_bytes_written: int | None = None
    peak_memory_bytes: int | None = None
    ending: Ending | None = None
    process_reaped_at: float | None = None
    memory_free_at: float | None = None

    @property
    def state(self) -> MachineState:
        """The state it is in now."""
        return self.states[-1][0]

    def enter(self, state: MachineState, at: float | None = None) -> None:
        """Move on to `state`. ValueError if a machine cannot go there from where it is."""
        if state not in (NEXT_STATES[self.state] if self.states else {MachineState.STARTING}):
            before = self.state if self.states else "nothing"
            raise ValueError(f"machine {self.id} cannot go from {before} to {state}")
        self.states.append((state, time.time() if at is None else at))


@dataclass(frozen=True)
class Completed:
    """A command that ended. exit_code: 128 + n when signal n ended it."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Process(Protocol):
    """A command running in a machine, in a process group of its own."""

    async def write(self, data: bytes) -> None:
        """Send to its standard input; waits while the other side is slow."""
        ...

    async def close_input(self) -> None:
        """End its standard input."""
        ...

    def output(self) -> AsyncIterator[bytes]:
        """Its standard output, in pieces of at most 64 KiB, until it ends."""
        ...

    async def wait(self) -> Completed:
        """Its end. `stdout` is empty (it went through `output`); `stderr` holds at most 64 KiB."""
        ...


Connect = Callable[[], Awaitable[tuple[StreamReader, StreamWriter]]]
"""Opens this side's end of a connection that came out of a guest; OSError refuses it."""


class Machine(Protocol):
    """A guest we hold an authenticated SSH connection to."""

    record: MachineRecord
    user: str
    home: str
    """The user's home directory in the guest."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        root: bool = False,
        timeout: float | None = 120.0,
    ) -> Completed:
        """Run a command to its end. `argv` reaches the program as it is: no shell reads it.

        Raises TemporaryError if the machine is lost, `TimeoutError` after `timeout` seconds.
        """
        ...

    def process(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> AbstractAsyncContextManager[Process]:
        """A command to talk to while it runs; leaving the block kills its process group."""
        ...

    def serve_port(self, connect: Connect) -> AbstractAsyncContextManager[int]:
        """Open a port on the guest's loopback whose connections `connect` answers on this side, through
        the machine's SSH connection. Yields the port; leaving the block closes it in the guest."""
        ...

    def serve_socket(self, name: str, target: Path) -> AbstractAsyncContextManager[str]:
        """Open a Unix socket in the guest, readable by its user only, joined to the Unix socket
        `target` on this side. Yields the guest's path; leaving the block removes it."""
        ...


class Machines(Protocol):
    """Starts machines."""

    def machine(self, spec: MachineSpec) -> AbstractAsyncContextManager[Machine]:
        """A new machine. Raises PermanentError if this host cannot start any, TemporaryError if this
        one did not come up, UsageError if `spec` cannot be met."""
        ...


@dataclass(frozen=True)
class Remains:
    """Something on this host that carries our mark. kind: `process`, `network`, `directory` or
    `cgroup`. owner: process id of the worker that made it. orphaned: that worker is gone."""

    machine: str
    kind: str
    name: str
    owner: int
    orphaned: bool


class Reaper(Protocol):
    """Finds and ends what an earlier process of ours left on this host, by marks of our own."""

    def find(self) -> list[Remains]:
        """Everything marked as ours, of living workers too."""
        ...

    def reap(self) -> list[Remains]:
        """End and remove what is orphaned; returns what was removed. May be run at any time, also
        twice at once."""
        ...
