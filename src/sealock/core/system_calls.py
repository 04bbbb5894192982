"""A filter on a process's system calls: no other program, no other process, no socket it does not need.

Whoever makes it run code of theirs would start a shell, look into another process, enter a machine's network
or send a key away; the kernel refuses all of it. What is filtered is the same for each process that takes
this on, but for the sockets it needs.

The program is put together here, instruction by instruction, because it is short and a library for it is
not everywhere; it is for the calling conventions of x86-64 and 64-bit ARM.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from dataclasses import dataclass

from sealock.core.errors import PermanentError

_PR_SET_NO_NEW_PRIVS = 38
_FILTER_MODE, _ALL_THREADS = 1, 1
_CLONE_THREAD = 0x00010000

UNIX, INET, INET6, NETLINK = 1, 2, 10, 16
"""Families of sockets; names are looked up with the help of the last."""

_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_NOT_PERMITTED = 0x00050000 | 1
_NOT_THERE = 0x00050000 | 38  # as on a kernel without it, so that libc takes the older call

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_OTHER_CONVENTION = 0x40000000


@dataclass(frozen=True)
class _Machine:
    """The numbers of one architecture. refused: calls that none of ours makes."""

    audit: int
    seccomp: int
    socket: int
    clone: int
    clone3: int
    refused: tuple[int, ...]


# execve, execveat, fork, vfork, ptrace, process_vm_readv, process_vm_writev, kcmp, pidfd_getfd, bpf,
# perf_event_open, userfaultfd, io_uring_setup, add_key, request_key, keyctl, mount, umount2, pivot_root,
# unshare, setns, open_by_handle_at, init_module, finit_module, delete_module, kexec_load, kexec_file_load,
# chroot; then, of one number everywhere: open_tree, move_mount, fsopen, fsconfig, fsmount, fspick,
# mount_setattr
_NEW_MOUNTS = (428, 429, 430, 431, 432, 433, 442)
_MACHINES = {
    "x86_64": _Machine(
        audit=0xC000003E,
        seccomp=317,
        socket=41,
        clone=56,
        clone3=435,
        refused=(
            *(59, 322, 57, 58, 101, 310, 311, 312, 438, 321, 298, 323, 425, 248, 249, 250, 165, 166, 155),
            *(272, 308, 304, 175, 313, 176, 246, 320, 161, *_NEW_MOUNTS),
        ),
    ),
    "aarch64": _Machine(
        audit=0xC00000B7,
        seccomp=277,
        socket=198,
        clone=220,
        clone3=435,
        refused=(
            *(221, 281, 117, 270, 271, 272, 438, 280, 241, 282, 425, 217, 218, 219, 40, 39, 41),
            *(97, 268, 265, 105, 273, 106, 104, 294, 51, *_NEW_MOUNTS),
        ),
    ),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def filter_calls(families: tuple[int, ...]) -> None:
    """Put the filter on this process, all its threads included, for good. families: of sockets that may be
    made; none, and no socket can be made at all.

    PermanentError where the kernel or the processor does not have it.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        raise _without(f"there is no filter for {platform.machine()}")
    code = program(machine, families)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise _without(os.strerror(ctypes.get_errno()))
    held = _Program(len(code) // 8, code)
    if libc.syscall(machine.seccomp, _FILTER_MODE, _ALL_THREADS, ctypes.byref(held)) != 0:
        raise _without(os.strerror(ctypes.get_errno()))


def program(machine: _Machine, families: tuple[int, ...]) -> bytes:
    """The filter as the kernel reads it. families: of sockets that may be made."""
    lines = [
        _do(_LOAD, _ARCHITECTURE),
        _do(_EQUAL, machine.audit, 1, 0),
        _do(_RETURN, _KILL),
        _do(_LOAD, _NUMBER),
        *_refuse_if(_AT_LEAST, _OTHER_CONVENTION, _NOT_PERMITTED),
        *_refuse_if(_EQUAL, machine.clone3, _NOT_THERE),
    ]
    for number in machine.refused:
        lines += _refuse_if(_EQUAL, number, _NOT_PERMITTED)
    lines += _only_with(machine.clone, [(_ANY_BIT, _CLONE_THREAD)])
    lines += _only_with(machine.socket, [(_EQUAL, family) for family in families])
    return b"".join([*lines, _do(_RETURN, _ALLOW)])


def _only_with(number: int, arguments: list[tuple[int, int]]) -> list[bytes]:
    """Refuse this call unless its first argument passes one of the tests."""
    body = [_do(_LOAD, _FIRST_ARGUMENT)]
    for test, value in arguments:
        body += [_do(test, value, 0, 1), _do(_RETURN, _ALLOW)]
    body.append(_do(_RETURN, _NOT_PERMITTED))
    return [_do(_EQUAL, number, 0, len(body)), *body]


def _refuse_if(test: int, value: int, answer: int) -> list[bytes]:
    return [_do(test, value, 0, 1), _do(_RETURN, answer)]


def _do(code: int, value: int, jump_true: int = 0, jump_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, jump_true, jump_false, value)


def _without(why: str) -> PermanentError:
    return PermanentError(
        "the system calls of this process cannot be filtered",
        details=why,
        resolution="Use a kernel with seccomp filters on x86-64 or 64-bit ARM.",
    )
