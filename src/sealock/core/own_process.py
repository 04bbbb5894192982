"""What a process of ours that holds values in memory does before it takes the first.

Passwords, tokens and secrets pass through the website and the worker. A core dump would put all of it on a
disk, and another process of the same user could read the memory of one that can be dumped.
"""

from __future__ import annotations

import ctypes
import resource

_PR_SET_DUMPABLE = 4


def leave_no_dump() -> None:
    """From now on this process leaves no core dump, and no other process of its user reads its memory. The
    programs it starts leave none either."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Refused by no kernel of ours; where it is, the limit above holds all the same.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def open_many_files() -> int:
    """Have as many files open as this host lets us, of which each connection takes one; how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most
