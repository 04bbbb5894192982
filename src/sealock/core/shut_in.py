"""How a process of ours gives up, for good, what it never needs: rights, programs, a memory to look into.

The mechanism stands here, once; which sockets are left is for the process that shuts itself in (the keeper,
the website). What a host does not allow is said, not passed over: who runs it decides whether that is enough.
"""

from __future__ import annotations

import ctypes
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from sealock.core.errors import PermanentError
from sealock.core.own_process import leave_no_dump
from sealock.core.system_calls import INET, INET6, NETLINK, UNIX, filter_calls

_PR_GET_DUMPABLE = 3
_CAPABILITIES_VERSION = 0x20080522


@dataclass(frozen=True)
class Sockets:
    """What a process may still make. families: numbers of the kernel's. told: for people."""

    families: tuple[int, ...]
    told: str


NO_SOCKETS = Sockets((), "no new socket")
TO_THE_NETWORK = Sockets((INET, INET6, NETLINK), "sockets to the network only")
TO_THE_NETWORK_AND_HERE = Sockets(
    (UNIX, INET, INET6, NETLINK), "sockets to the network and to processes of this host only"
)


def shut_in(sockets: Sockets, *, keeps: int = 0) -> list[str]:
    """No core dump, not readable by other processes, no new rights, no other program. Call it once all is
    bound that needs rights, and before any thread is started: it cannot be undone. keeps: a mask of the
    capabilities that stay. Returns lines that say what was achieved."""
    os.umask(0o077)
    leave_no_dump()
    libc = ctypes.CDLL(None, use_errno=True)
    bare = _keep_capabilities(libc, keeps)
    hidden = libc.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) == 0
    lines = [
        "rights: none, and none can be gained" if bare else "rights: those of its user",
        "core dumps: none",
        "memory of this process: hidden from others" if hidden else "memory of this process: not hidden",
    ]
    try:
        filter_calls(sockets.families)
    except PermanentError as error:
        return [*lines, f"system calls: not filtered, {error.details}"]
    return [*lines, f"system calls: filtered; no program, no process, {sockets.told}"]


def _keep_capabilities(libc: ctypes.CDLL, keeps: int) -> bool:
    """Keep no other: root without them is a user like others, who owns what root owns. They are a thread's
    own, so whether they are gone is known only while there is one."""
    header = struct.pack("=Ii", _CAPABILITIES_VERSION, 0)
    held = struct.pack("=6I", keeps, keeps, 0, 0, 0, 0)
    return bool(libc.capset(header, held) == 0) and len([*Path("/proc/self/task").iterdir()]) == 1


def held_capabilities() -> int:
    """A mask of those that this process has now."""
    held = next(line for line in Path("/proc/self/status").read_text().splitlines() if "CapEff" in line)
    return int(held.split()[1], 16)
