"""What machines leave on a host: looked for before and after, so that a test can say that nothing is left.

Other processes on this host may have machines of their own, which come and go meanwhile. What is theirs
is told by the mark of a living owner; what is looked at twice and stays, with no such owner, is left.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from sealock.machines.cgroup import _mounts
from sealock.machines.marks import PREFIX
from sealock.machines.namespace import NAMESPACES
from sealock.machines.reaper import marked_processes

Trace = tuple[str, str]
"""Its kind (`process`, `network`, `mount` or `cgroup`), and the machine's id or a name that holds it."""


def traces() -> set[Trace]:
    """Everything on this host that belongs to a machine of anybody's."""
    found = {("process", f"{machine} {pid}") for pid, machine, _ in marked_processes()}
    found |= {("network", path.name) for path in NAMESPACES.glob(f"{PREFIX}*")}
    mounted = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    found |= {("mount", path) for path in mounted if PREFIX in path and path.startswith(str(NAMESPACES))}
    groups = (group for _, place, _ in _mounts() for group in place.glob("sealock/*/"))
    return found | {("cgroup", str(group)) for group in groups}


def left(before: set[Trace], patience: float = 60.0) -> set[Trace]:
    """What is there now, was not `before`, stays for `patience` seconds and is nobody's who lives.

    A test of killed commands may run beside this one: what it has left is there until it reaps it.
    """
    deadline = time.monotonic() + patience
    suspicious = traces() - before - _of_others()
    while suspicious and time.monotonic() < deadline:
        time.sleep(0.1)
        suspicious &= traces() - _of_others()
    return suspicious


def _of_others() -> set[Trace]:
    """Traces of machines whose owner lives and is not this process."""
    theirs = {machine for _, machine, owner in marked_processes() if owner.pid != os.getpid() and owner.alive}
    return {trace for trace in traces() if any(machine in trace[1] for machine in theirs)}


def marked(machine: str) -> list[int]:
    """The living processes that carry that machine's mark, the oldest first."""
    return sorted(pid for pid, name, _ in marked_processes() if name == machine)
