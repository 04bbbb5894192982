"""Makes the keeper's process hard to look into and hard to misuse, and says what was achieved.

What a host does not allow is said, not passed over: who runs the keeper decides whether that is enough.
Python cannot promise that no copy of a secret stays in memory; what is done here keeps that memory off
disks (no swap, no core dump) and out of other processes' reach.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import resource
import stat
from collections.abc import Sequence
from pathlib import Path

from sealock.core.errors import UsageError
from sealock.core.shut_in import NO_SOCKETS, TO_THE_NETWORK, held_capabilities
from sealock.core.shut_in import shut_in as core_shut_in

_CAN_LOCK = 14
_LOCK_CURRENT, _LOCK_FUTURE, _LOCK_ON_FAULT = 1, 2, 4


def become(user: str, owned: Sequence[Path]) -> str:
    """Run as `user` from here on, for good, if we are root; `` changes nothing. owned: directories that are
    the keeper's alone, handed over to that user first. Returns a line that says who we are.

    UsageError if there is no such user, or it cannot reach those directories.
    """
    if not user or os.geteuid() != 0:
        name = _name(os.geteuid())
        return f"user: {name}; whoever else runs as {name}, and root, is not kept out"
    try:
        entry = pwd.getpwnam(user)
    except KeyError as error:
        raise UsageError(
            f"there is no user {user} for the keeper",
            resolution=f"Make it: useradd --system --no-create-home --shell /usr/sbin/nologin {user}",
        ) from error
    for directory in owned:
        _hand_over(directory, entry.pw_uid, entry.pw_gid)
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    for directory in owned:
        _refuse_out_of_reach(directory, user)
    return f"user: {user}, the keeper's own; only root is not kept out"


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


def _hand_over(directory: Path, user: int, group: int) -> None:
    """What is root's in there, such as a file that was edited. The keeper's user may have put in links of
    either kind, or put them in while we look; what they lead to stays whose it is."""
    for _, directories, files, place in os.fwalk(directory, follow_symlinks=False):
        for name in (*directories, *files):
            _give(name, place, user, group)
        os.fchown(place, user, group)


def _give(name: str, place: int, user: int, group: int) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        found = os.open(name, flags, dir_fd=place)
    except OSError:  # a link, or gone again
        return
    try:
        status = os.fstat(found)
        alone = stat.S_ISDIR(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_nlink == 1)
        if status.st_uid == 0 and alone:
            os.fchown(found, user, group)
    finally:
        os.close(found)


def _refuse_out_of_reach(directory: Path, user: str) -> None:
    for each in (*reversed(directory.parents), directory):
        if not os.access(each, os.X_OK):
            raise UsageError(
                f"the keeper's user {user} cannot reach {directory}",
                details=f"It may not pass through {each}.",
                resolution=f"Let it: chmod o+x {each}. Or put keeper_dir somewhere else.",
            )


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
