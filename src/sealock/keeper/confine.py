"""Makes the keeper's process hard to look into and hard to misuse, and says what was achieved.

What a host does not allow is said, not passed over: who runs the keeper decides whether that is enough.
Python cannot promise that no copy of a secret stays in memory; what is done here keeps that memory off
disks (no swap, no core dump) and out of other processes' reach.
"""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Sequence
from pathlib import Path

from sealock.core import own_user
from sealock.core.shut_in import NO_SOCKETS, TO_THE_NETWORK, held_capabilities
from sealock.core.shut_in import shut_in as core_shut_in

_CAN_LOCK = 14
_LOCK_CURRENT, _LOCK_FUTURE, _LOCK_ON_FAULT = 1, 2, 4


def become(user: str, owned: Sequence[Path]) -> str:
    """As `core.own_user.become`, for the keeper. owned: directories that are the keeper's alone."""
    return own_user.become(user, owned, whose="keeper")


def lock_memory(*, stays: bool) -> str:
    """Keep memory off swap. Call it before `become`; stays: that will leave us who we are. Returns a line
    that says how it went."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not _lift_limit() and not (stays and _may_lock()):
        # With a limit, some later allocation would fail while a build waits: better not locked at all.
        return "memory: not locked, the limit on locked memory is too low (LimitMEMLOCK=infinity)"
    if libc.mlockall(_LOCK_CURRENT | _LOCK_FUTURE | _LOCK_ON_FAULT) != 0:
        return f"memory: not locked, {os.strerror(ctypes.get_errno())}"
    return "memory: locked, never on swap"


def _lift_limit() -> bool:
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (ValueError, OSError):
        return False
    return True


def _may_lock() -> bool:
    """Whether we have the capability that no limit applies to."""
    return bool(held_capabilities() >> _CAN_LOCK & 1)


def shut_in(*, network: bool) -> list[str]:
    """As `core.shut_in`, with the one right left that locked memory needs. network: whether the back end is
    reached over it. Returns lines that say what was achieved."""
    return core_shut_in(TO_THE_NETWORK if network else NO_SOCKETS, keeps=1 << _CAN_LOCK if _may_lock() else 0)
