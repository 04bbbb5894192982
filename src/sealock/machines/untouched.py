"""Starting programs that leave no trace on a disk, not even the time a file was last read.

Where a file system keeps that time, reading a file once a day, or for the first time since it was
written, is a write to the disk. A machine's processes are promised to cause none, so they see every
file system as one whose access times stand still: in a mount namespace of their own, which is theirs
from before their first instruction.

The work is done by one thread that lives as long as we do: the kernel ends a child that asked for it
with the thread, not the process, that made it.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

_CLONE_NEWNS = 0x00020000
_CLONE_NEWNET = 0x40000000
_MOUNT_SETATTR = 442  # the same number on every architecture; in Linux since 5.12
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_ATTR_ATIME = 0x70  # every bit that says something about access times
_ATTR_NOATIME = 0x10
_MS_PRIVATE = 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)
T = TypeVar("T")


class _Attributes(ctypes.Structure):
    """`struct mount_attr` of mount_setattr(2)."""

    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("user_namespace", ctypes.c_uint64),
    )


def started(start: Callable[[], T]) -> T:
    """What `start` returns or raises; programs it starts update no access times, and are on the network
    the caller is on. Without the right to make a mount namespace they are started as they would be anyway."""
    if os.geteuid() != 0:
        return start()
    network = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _thread().submit(_start, start, network).result()
    finally:
        os.close(network)


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="starting programs")


def _start(start: Callable[[], T], network: int) -> T:
    _must(_libc.setns(network, _CLONE_NEWNET), "enter a network namespace")
    # Made anew each time: a namespace that was kept would not show what has been mounted since.
    ours = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _must(_libc.unshare(_CLONE_NEWNS), "make a mount namespace")
        try:
            _leave_access_times()
            return start()
        finally:
            _must(_libc.setns(ours, _CLONE_NEWNS), "leave a mount namespace")
    finally:
        os.close(ours)


def _leave_access_times() -> None:
    """Of every file system that is mounted, for who is in this thread's namespace."""
    wanted = _Attributes(set=_ATTR_NOATIME, clear=_ATTR_ATIME, propagation=_MS_PRIVATE)
    size = ctypes.c_size_t(ctypes.sizeof(wanted))
    done = _libc.syscall(
        ctypes.c_long(_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(b"/"),
        ctypes.c_uint(_AT_RECURSIVE),
        ctypes.byref(wanted),
        size,
    )
    _must(done, "leave access times as they are")


def _must(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"cannot {what}: {os.strerror(ctypes.get_errno())}")
