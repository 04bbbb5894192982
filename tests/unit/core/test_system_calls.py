"""The filter on system calls, run as the kernel would run it: each call that none of ours makes is refused,
on either architecture, whichever of them this host has."""

from __future__ import annotations

import errno
import struct
import subprocess
import sys

import pytest

from sealock.core.system_calls import _MACHINES, INET, INET6, NETLINK, UNIX, program

ALLOWED, KILLED = 0x7FFF0000, 0x80000000
NOT_PERMITTED, NOT_THERE = 0x00050001, 0x00050026
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
THREAD, PROCESS = 0x3D0F00, 0x1200011
"""What libc gives `clone` for a thread, and for a process."""

# By the kernel's own tables: x86-64, 64-bit ARM. None: there is no such call.
DANGEROUS: dict[str, tuple[int | None, int | None]] = {
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
}
HARMLESS = {"x86_64": (0, 1, 9, 16, 202, 232, 288), "aarch64": (63, 64, 222, 98, 22, 242)}
"""Such as reading, writing, mapping memory and taking a connection."""

CLONE, CLONE3 = {"x86_64": 56, "aarch64": 220}, 435
SOCKET = {"x86_64": 41, "aarch64": 198}
FAMILIES = ((), (INET, INET6, NETLINK), (UNIX, INET, INET6, NETLINK))
KINDS = pytest.mark.parametrize("machine", sorted(AUDIT))
DOORS = pytest.mark.parametrize("families", FAMILIES, ids=len)


def answer(code: bytes, audit: int, number: int, first: int = 0) -> int:
    """What the kernel is told to do with a call, by the instructions of its filters that ours is made of."""
    data = struct.pack("=IIQQ", number, audit, 0, first)
    lines = [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]
    at = held = 0
    while True:
        kind, jump_true, jump_false, value = lines[at]
        at += 1
        if kind == 0x06:
            return int(value)
        if kind == 0x20:
            (held,) = struct.unpack_from("=I", data, value)
        else:
            holds = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[kind]
            at += jump_true if holds else jump_false


@KINDS
@DOORS
def test_what_would_get_somebody_further_is_refused(machine: str, families: tuple[int, ...]) -> None:
    code = program(_MACHINES[machine], families)
    for name, (intel, arm) in DANGEROUS.items():
        number = intel if machine == "x86_64" else arm
        if number is not None:
            assert answer(code, AUDIT[machine], number) == NOT_PERMITTED, name


@KINDS
def test_what_a_server_does_all_the_time_is_allowed(machine: str) -> None:
    code = program(_MACHINES[machine], ())
    assert {answer(code, AUDIT[machine], number) for number in HARMLESS[machine]} == {ALLOWED}


@KINDS
def test_a_thread_may_be_begun_and_a_process_may_not(machine: str) -> None:
    code = program(_MACHINES[machine], ())
    assert answer(code, AUDIT[machine], CLONE[machine], THREAD) == ALLOWED
    assert answer(code, AUDIT[machine], CLONE[machine], PROCESS) == NOT_PERMITTED
    # Its flags lie in memory, where a filter cannot look: libc is told to take the older call.
    assert answer(code, AUDIT[machine], CLONE3) == NOT_THERE


@KINDS
@DOORS
def test_only_the_sockets_that_were_named_can_be_made(machine: str, families: tuple[int, ...]) -> None:
    code = program(_MACHINES[machine], families)
    may = {family for family in range(64) if answer(code, AUDIT[machine], SOCKET[machine], family) == ALLOWED}
    assert may == set(families)


@KINDS
def test_calls_by_another_convention_are_not_let_through(machine: str) -> None:
    """Where numbers mean other calls, a list of numbers keeps nobody out."""
    code = program(_MACHINES[machine], ())
    (other,) = set(AUDIT) - {machine}
    for audit in (AUDIT[other], 0x40000003, 0):  # the second is 32-bit Intel
        assert answer(code, audit, 1) == KILLED
    for number in (0x40000000, 0x40000001, 0x4000003B, 0xFFFFFFFF):  # x32, of the same architecture
        assert answer(code, AUDIT[machine], number) == NOT_PERMITTED


_TRIES = """
import os, socket, threading
from sealock.core.system_calls import UNIX, filter_calls

def tries():
    for what in (
        lambda: os.execv("/bin/true", ["true"]),
        lambda: os.posix_spawn("/bin/true", ["true"], {}),
        lambda: socket.socket(socket.AF_INET).close(),
        lambda: socket.socket(socket.AF_UNIX).close(),
    ):
        try:
            what()
            print("done", flush=True)
        except OSError as error:
            print(error.errno, flush=True)

filtered = threading.Event()
older = threading.Thread(target=lambda: (filtered.wait(), tries()))
older.start()
filter_calls((UNIX,))
filtered.set()
older.join()
tries()
"""


def test_the_kernel_holds_every_thread_to_it() -> None:
    """One that was there before as well: what is not put on it would be the way out."""
    command = [sys.executable, "-c", _TRIES]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    refused = str(errno.EPERM)
    assert (done.stdout.split(), done.stderr) == ([refused, refused, refused, "done"] * 2, "")
