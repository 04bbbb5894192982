"""Attacks on a keeper that runs: from another user, on its rights, and a search for what it opened."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from sealock.core.lease import KeeperAway, Refused
from sealock.core.scope import Scope
from sealock.core.sealed import Kind
from sealock.core.secret import Secret
from sealock.keeper import protocol, sealing
from tests.support.keeper import CONFIG, SSH_KEY, TOKEN, name_of, terms
from tests.support.keeper_process import RunningKeeper, key_sets_of, running_keeper, seal_for

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

CANARY = b"canary-7f3e+/=\"'\n\x00\xff-of-a-secret"
NOBODY = 65534

CONNECT = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(bytes.fromhex(sys.argv[2]))
sys.stdout.buffer.write(s.recv(100))
"""

SHUT_IN = """
import ctypes, json, os, resource, socket, subprocess, sys
from sealock.keeper.confine import lock_memory, shut_in
try:
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    lockable = True
except (ValueError, OSError):
    lockable = False
os.umask(0)
lock_memory(stays=True)
achieved = shut_in(network=sys.argv[1] == "network")
libc = ctypes.CDLL(None, use_errno=True)

def tried(what):
    try:
        what()
    except OSError as error:
        return error.errno
    return 0

def call(number, *arguments):
    return ctypes.get_errno() if libc.syscall(number, *arguments) == -1 else 0

print(json.dumps({
    "program": tried(lambda: os.execv("/bin/true", ["true"])),
    "child": tried(lambda: subprocess.run(["true"])),
    "fork": tried(os.fork),
    "unix": tried(lambda: socket.socket(socket.AF_UNIX).close()),
    "internet": tried(lambda: socket.socket(socket.AF_INET).close()),
    "packet": tried(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()),
    "ptrace": call(PTRACE, 0, 0, 0, 0),
    "io_uring": call(425, 1, 0),
    "user namespace": call(UNSHARE, 0x10000000),
    "core limit": resource.getrlimit(resource.RLIMIT_CORE)[1],
    "readable": libc.prctl(3, 0, 0, 0, 0),
    "umask": os.umask(0),
    "lockable": lockable,
    "locked": int(next(l for l in open("/proc/self/status") if l.startswith("VmLck")).split()[1]),
    "achieved": achieved,
}))
"""
NUMBERS = {"x86_64": ("101", "272"), "aarch64": ("117", "97")}
REFUSED = 1  # EPERM


def shut_in(mode: str) -> dict[str, object]:
    ptrace, unshare = NUMBERS[os.uname().machine]
    code = SHUT_IN.replace("PTRACE", ptrace).replace("UNSHARE", unshare)
    ran = subprocess.run([sys.executable, "-c", code, mode], capture_output=True, text=True, check=True)
    found = json.loads(ran.stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("mode", ["alone", "network"])
def test_the_process_can_start_nothing_and_connect_to_nothing(mode: str) -> None:
    found = shut_in(mode)
    for what in ("program", "child", "fork", "unix", "packet", "ptrace", "io_uring", "user namespace"):
        assert found[what] == REFUSED, what
    assert found["internet"] == (0 if mode == "network" else REFUSED)
    assert found["core limit"] == 0
    assert found["umask"] == 0o077


def test_its_memory_goes_to_no_disk_and_no_other_process_reads_it() -> None:
    found = shut_in("alone")
    assert found["readable"] == 0, "a process of the same user could read its memory"
    assert not found["lockable"] or found["locked"] != 0, "this host lets memory be locked"


def test_what_it_says_it_achieved_is_what_the_kernel_says(tmp_path: Path) -> None:
    with running_keeper(tmp_path) as keeper:
        status = Path(f"/proc/{keeper.process.pid}/status").read_text()
        told = asyncio.run(keeper.client().status()).achieved
    kernel = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert kernel["Seccomp"] == "2"
    assert kernel["NoNewPrivs"] == "1"
    # None at all, or the one that locked memory needs.
    assert int(kernel["CapEff"], 16) & ~(1 << 14) == 0
    locked = int(kernel["VmLck"].split()[0]) > 0
    assert any(line.startswith("memory: locked") for line in told) is locked
    assert "system calls: filtered; no program, no process, no new socket" in told


def as_somebody_else(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Root becomes nobody; others ask sudo to."""
    if os.geteuid() == 0:
        return subprocess.run(
            command, capture_output=True, check=False, timeout=120, user=NOBODY, group=NOBODY, extra_groups=[]
        )
    prefix = ["sudo", "-n", "-u", f"#{NOBODY}", "--"]
    return subprocess.run([*prefix, *command], capture_output=True, check=False, timeout=120)


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[RunningKeeper]:
    with running_keeper(tmp_path) as keeper:
        yield keeper


def let_pass(place: Path) -> None:
    """Let everybody through to a directory of the test's own."""
    for path in (place, *place.parents):
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o001)


def test_another_user_who_reaches_the_socket_gets_no_answer(keeper: RunningKeeper) -> None:
    let_pass(keeper.socket.parent)
    content = protocol.encode_request(protocol.AskStatus())
    asked = len(content).to_bytes(4, "big") + content
    done = as_somebody_else(["/usr/bin/python3", "-c", CONNECT, str(keeper.socket), asked.hex()])
    assert done.stdout == b""
    keeper.end()
    assert f"of user {NOBODY}: not a peer" in keeper.log, done.stderr


def traces(value: bytes) -> list[bytes]:
    return [
        value,
        b64encode(value)[:-4],
        b64encode(b"x" + value)[4:-4],
        value.hex().encode(),
        quote(value).encode(),
    ]


def everything_of(keeper: RunningKeeper) -> dict[str, bytes]:
    """Every file under its directories, its arguments and its environment."""
    found = {}
    for path in keeper.directory.rglob("*"):
        if path.is_file():
            with suppress(FileNotFoundError):  # what is written anew at that moment
                found[str(path)] = path.read_bytes()
    for name in ("cmdline", "environ"):
        try:
            found[name] = Path(f"/proc/{keeper.process.pid}/{name}").read_bytes()
        except (PermissionError, FileNotFoundError):
            found[name] = b""
    return found


async def test_what_it_opened_is_in_no_file_argument_environment_log_or_refusal(tmp_path: Path) -> None:
    with running_keeper(tmp_path) as keeper:
        key, token = (seal_for(tmp_path, name, CANARY + name.name.encode()) for name in (SSH_KEY, TOKEN))
        guarded = seal_for(tmp_path, CONFIG, CANARY, Scope(deployments_only=True))
        sets = key_sets_of(tmp_path)
        bare = sealing.seal(TOKEN, Secret(CANARY), sets.public_key(TOKEN.owner))
        other = seal_for(tmp_path, name_of(Kind.VARIABLE, "OTHER"), CANARY)
        seen = [everything_of(keeper)]
        async with keeper.client().lease(terms()) as lease:
            assert (await lease.open(key)).reveal() == CANARY + b"ssh-key"
            assert (await lease.open(token, step="test:unit")).reveal() == CANARY + b"TOKEN"
            seen.append(everything_of(keeper))
            for sealed in (guarded, bare, other):
                with pytest.raises(Refused) as refused:
                    await lease.open(sealed, step="test:unit")
                assert "canary" not in str(refused.value)
            with pytest.raises(Refused):
                await lease.open(key)
        seen.append(everything_of(keeper))
    seen.append(everything_of(keeper))
    for files in seen:
        assert len(files) > 8
        for name, content in files.items():
            assert not [trace for trace in traces(b"canary-7f3e") if trace in content], name
    assert keeper.log.count("refused") == 4


async def test_requests_of_every_bad_kind_leave_it_serving(keeper: RunningKeeper) -> None:
    for sent in (b"\xff" * 4, b"\0\0\0\2{}", b"\0\0\0\5abc", os.urandom(5000), b"\0\0\0\0"):
        reader, writer = await asyncio.open_unix_connection(keeper.socket)
        writer.write(sent)
        writer.write_eof()
        assert b"refer" in await asyncio.wait_for(reader.read(), 60)
        writer.close()
    assert (await keeper.client().status()).entries == 0


async def test_a_key_file_others_can_read_stops_the_start(tmp_path: Path) -> None:
    with running_keeper(tmp_path):
        pass
    for name in ("keeper/signing-key", "keeper/epoch", "keys/key-encryption-key"):
        path = tmp_path / "data" / name
        mode = path.stat().st_mode
        path.chmod(0o644)
        refused = RunningKeeper(tmp_path)
        with pytest.raises(RuntimeError, match="not safe"):
            refused.wait_until_it_serves()
        refused.end(kill=True)
        path.chmod(mode)
    with pytest.raises(KeeperAway):
        await refused.client().status()


BECOME = """
import os, sys
from pathlib import Path
from sealock.keeper.confine import become
print(become("nobody", [Path(sys.argv[1])]))
print(os.getresuid(), os.getgroups())
try:
    os.setuid(0)
except PermissionError:
    print("there is no way back")
"""


def test_with_a_user_of_its_own_only_its_directory_goes_over(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    for directory in (own, other):
        directory.mkdir()
        (directory / "file").touch()
    (own / "link").symlink_to(other / "file")
    let_pass(tmp_path)
    command = [sys.executable, "-c", BECOME, str(own)]
    as_root = command if os.geteuid() == 0 else ["sudo", "-n", "--", *command]
    # In a group of ours, as root often is: that must not be taken along.
    groups = [NOBODY - 1] if os.geteuid() == 0 else None
    told = subprocess.run(
        as_root, capture_output=True, text=True, check=True, timeout=120, extra_groups=groups
    ).stdout.splitlines()
    assert told == [
        "user: nobody, the keeper's own; only root is not kept out",
        f"({NOBODY}, {NOBODY}, {NOBODY}) []",
        "there is no way back",
    ]
    assert [path.stat().st_uid for path in (own, own / "file")] == [NOBODY] * 2
    assert (other / "file").stat().st_uid == os.geteuid()
