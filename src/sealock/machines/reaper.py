"""Ends what an earlier process of ours left on this host, by marks of our own and never by name alone.

A machine is orphaned when the very process that made it is gone. Its processes carry the mark in their
environment, which a guest cannot reach and no other program sets; directory, network namespace and
cgroup bear the machine's id, for which there is a mark under our runtime directory. What else lies there
is abandoned when nobody holds its lock: keys' agents, snapshots of working trees, half a template.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

from sealock.core.machine import Remains
from sealock.core.scratch import abandoned, is_old
from sealock.machines import cgroup, marks
from sealock.machines import template as templates
from sealock.machines.marks import Mark, Owner
from sealock.machines.namespace import NAMESPACES
from sealock.machines.network import remove_namespace

# A process that was killed is gone within milliseconds unless the kernel is stuck.
PATIENCE = 10.0


class HostReaper:
    """Implements `core.machine.Reaper`. runtime_dir: where the marks are."""

    def __init__(self, runtime_dir: Path) -> None:
        self._runtime = runtime_dir
        self._machines = runtime_dir / "machines"

    def find(self) -> list[Remains]:
        """Everything marked as ours. See the port."""
        remains = [_of_process(*each) for each in marked_processes()]
        for mark in marks.find(self._machines):
            remains += _of_machine(mark)
        return remains + [Remains(path.name, "directory", str(path), 0, True) for path in self._abandoned()]

    def reap(self) -> list[Remains]:
        """End and remove what is orphaned. See the port."""
        gone = [each for each in self.find() if each.orphaned]
        _kill_all({int(each.name) for each in gone if each.kind == "process"})
        for mark in marks.find(self._machines):
            if not mark.owner.alive:
                group = cgroup.existing(mark.machine)
                _kill_all(group.processes())
                remove_namespace(marks.PREFIX + mark.machine)
                group.remove()
                mark.remove()
        for path in self._abandoned():
            shutil.rmtree(path, ignore_errors=True)
        return gone

    def _abandoned(self) -> list[Path]:
        """Directories of no machine, and of one that had not got its mark yet."""
        unmarked = [path for path in self._machines.glob(".*") if is_old(path)]
        return [*abandoned(self._runtime), *unmarked, *templates.unfinished(self._runtime / "templates")]


def marked_processes() -> list[tuple[int, str, Owner]]:
    """Every process that carries our mark, as (process id, machine, owner)."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, KeyError):
            pairs = (row.partition("=") for row in (directory / "environ").read_bytes().decode().split("\0"))
            environment = {name: value for name, _, value in pairs}
            owner = marks.parse_owner(environment[marks.OWNER])
            found.append((int(directory.name), environment[marks.MACHINE], owner))
    return found


def _of_process(pid: int, machine: str, owner: Owner) -> Remains:
    return Remains(machine, "process", str(pid), owner.pid, not owner.alive)


def _of_machine(mark: Mark) -> list[Remains]:
    orphaned = not mark.owner.alive
    remains = [Remains(mark.machine, "directory", str(mark.directory), mark.owner.pid, orphaned)]
    name = marks.PREFIX + mark.machine
    if (NAMESPACES / name).exists():
        remains.append(Remains(mark.machine, "network", name, mark.owner.pid, orphaned))
    for path in cgroup.existing(mark.machine).directories.values():
        remains.append(Remains(mark.machine, "cgroup", str(path), mark.owner.pid, orphaned))
    return remains


def _kill_all(pids: set[int]) -> None:
    """Kill them and wait until they are gone."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while any(marks.start_time(pid) is not None for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.005)
