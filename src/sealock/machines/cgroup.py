"""Memory, processor and process limits of one machine, by whichever cgroup version this host has.

What a host enforces differs: version 1, version 2, both at once, some controllers missing. We use what
is there and say in the receipt what that was.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sealock.core.machine import Limit

# What QEMU itself needs beside the guest's memory: its own code, device state, translated code.
OVERHEAD_MIB = 384
MOST_PROCESSES = 64
_GROUP = "sealock"
_PERIOD = 100_000
# Kernel bookkeeping of a group may stay charged to it for a moment.
_FREE_BELOW = 1 << 20


@dataclass(frozen=True)
class Budget:
    """memory_mib: for the guest; cpus: whole processors."""

    memory_mib: int
    cpus: int

    @property
    def memory_bytes(self) -> int:
        """The most that may be charged to the machine's processes together.

        Twice the guest's memory: where a clone is the first to write to a page that the template never
        used, the kernel charges it for the template's empty page as well as for its own copy.
        """
        return (2 * self.memory_mib + OVERHEAD_MIB) << 20


@dataclass
class Cgroup:
    """One machine's group, as one directory (version 2) or one per controller (version 1)."""

    directories: dict[str, Path] = field(default_factory=dict)
    limits: list[Limit] = field(default_factory=list)

    @property
    def process_files(self) -> list[str]:
        """Where a process writes its id to join."""
        return sorted({str(path / "cgroup.procs") for path in self.directories.values()})

    def processes(self) -> set[int]:
        """Who is in it now."""
        found: set[int] = set()
        for name in self.process_files:
            with suppress(OSError):
                found.update(int(line) for line in Path(name).read_text().split())
        return found

    def private_memory(self) -> int | None:
        """Bytes of its processes' own memory, without pages that others share; None if not counted."""
        directory = self.directories.get("memory")
        if directory is None:
            return None
        rows = dict(line.split() for line in (directory / "memory.stat").read_text().splitlines())
        return int(rows.get("anon", rows.get("rss", 0)))

    def is_free(self) -> bool:
        """Whether its processes are gone and their memory is back."""
        return not self.processes() and (self.private_memory() or 0) < _FREE_BELOW

    def remove(self, patience: float = 2.0) -> bool:
        """Remove the directories, which is possible once the last process is gone."""
        deadline = time.monotonic() + patience
        left = set(self.directories.values())
        while left:
            for path in list(left):
                try:
                    path.rmdir()
                except FileNotFoundError:
                    pass
                except OSError:
                    continue
                left.discard(path)
            if not left or time.monotonic() > deadline:
                break
            time.sleep(0.005)
        return not left


def make(machine: str, budget: Budget) -> Cgroup:
    """A group with these limits; whatever cannot be enforced is said in its `limits`."""
    group = Cgroup()
    unified = _unified()
    for controller, name, value, settings in _wanted(budget):
        files = settings[2 if controller in unified else 1]
        version = "cgroup v2" if controller in unified else "cgroup v1"
        directory = _directory(machine, controller, unified)
        enforced = directory is not None and _apply(directory, files)
        if directory is not None and enforced:
            group.directories[controller] = directory
        group.limits.append(Limit(name, value, version if enforced else "none", enforced))
    return group


def existing(machine: str) -> Cgroup:
    """The group an earlier process made for that machine, as far as it is there."""
    unified = _unified()
    places = {name: _place(name, unified) for name in ("memory", "cpu", "pids")}
    found = {name: place / _GROUP / machine for name, place in places.items() if place}
    return Cgroup({name: path for name, path in found.items() if path.is_dir()})


_Files = list[tuple[str, str]]


def _wanted(budget: Budget) -> list[tuple[str, str, str, dict[int, _Files]]]:
    memory = str(budget.memory_bytes)
    quota = str(budget.cpus * _PERIOD + _PERIOD // 2)
    return [
        (
            "memory",
            "memory",
            f"{budget.memory_bytes >> 20} MiB",
            {
                1: [("memory.limit_in_bytes", memory), ("memory.swappiness", "0")],
                2: [("memory.max", memory), ("memory.swap.max", "0")],
            },
        ),
        (
            "cpu",
            "processor time",
            f"{budget.cpus}.5 processors",
            {
                1: [("cpu.cfs_period_us", str(_PERIOD)), ("cpu.cfs_quota_us", quota)],
                2: [("cpu.max", f"{quota} {_PERIOD}")],
            },
        ),
        (
            "pids",
            "processes and threads",
            str(MOST_PROCESSES),
            {1: [("pids.max", str(MOST_PROCESSES))], 2: [("pids.max", str(MOST_PROCESSES))]},
        ),
    ]


def _directory(machine: str, controller: str, unified: frozenset[str]) -> Path | None:
    place = _place(controller, unified)
    if place is None:
        return None
    path = place / _GROUP / machine
    try:
        if controller in unified:
            _enable(place, controller)
            (place / _GROUP).mkdir(exist_ok=True)
            _enable(place / _GROUP, controller)
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return path


def _enable(directory: Path, controller: str) -> None:
    control = directory / "cgroup.subtree_control"
    if controller not in control.read_text().split():
        control.write_text(f"+{controller}")


def _apply(directory: Path, files: _Files) -> bool:
    """Swap files are optional: a kernel without swap accounting has none to limit."""
    try:
        for name, value in files:
            if "swap" in name and not (directory / name).exists():
                continue
            (directory / name).write_text(value)
    except OSError:
        return False
    return True


def _mounts() -> list[tuple[str, Path, set[str]]]:
    """Every cgroup mount as (type, place, options of the file system)."""
    rows = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            rows.append((kind, Path(before.split()[4]), set(options.split(","))))
    return rows


def _unified() -> frozenset[str]:
    """The controllers that version 2 has on this host."""
    found: set[str] = set()
    for kind, place, _ in _mounts():
        if kind == "cgroup2":
            with suppress(OSError):
                found.update((place / "cgroup.controllers").read_text().split())
    return frozenset(found)


def _place(controller: str, unified: frozenset[str]) -> Path | None:
    for kind, place, options in _mounts():
        if kind == ("cgroup2" if controller in unified else "cgroup") and (
            kind == "cgroup2" or controller in options
        ):
            return place
    return None
