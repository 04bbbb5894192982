"""A website that is served and then does what somebody who took it over would: prints, as JSON, how each try
ended. Its argument is what to aim at (`Aims`); with `bare` after it, the barrier is taken away.

    {"found": {"git": [1, 1], ...}, "works": {...}, "asked": {...}}

A number is that of the error the kernel answered with, 0 where it let it be; what was asked of the keeper is
there as the name of the error, or as `done`.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from argon2 import PasswordHasher

from sealock.core import shut_in
from sealock.core.errors import SealockError
from sealock.core.sealed import Owner
from sealock.keeper import key_messages as keys
from sealock.keeper.protocol import AskExposures, AskPublicKey, EndAll, Request
from sealock.serving import Serving
from sealock.wiring import Wiring

NUMBERS = {"x86_64": (101, 310, 425, 308), "aarch64": (117, 270, 425, 268)}
"""Of ptrace, process_vm_readv, io_uring_setup and setns."""

_ATTACH, _DETACH = 16, 17

TEAM = Owner("team", "shop")
REQUESTS: dict[str, Request] = {
    "the public key of an owner": AskPublicKey(owner=TEAM),
    "what was released": AskExposures(builds=("1" * 32,)),
    "to destroy the keys of an owner": keys.DestroyKeys(owner=TEAM),
    "how the keys are": keys.AskKeys(),
    "whose keys there are": keys.AskOwners(),
    "to rotate": keys.BeginRotation(level="sets"),
    "a backup of all keys": keys.BackUp(
        cost=keys.BackupCost(salt=bytes(16), iterations=1, memory=8, lanes=1), key=bytes(32), number=1
    ),
    "to end every lease": EndAll(),
}
"""The first three are for a website, the others for whoever looks after the keeper."""


@dataclass(frozen=True)
class Aims:
    """process: of who started the website. secret: a file that is the keeper's. network: the file of a
    machine's network. files: of others, by what they are."""

    process: int
    secret: str
    network: str
    files: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def main(aims: Aims, *, bare: bool) -> None:
    if bare:
        shut_in.shut_in = lambda *_, **__: []
    server = Wiring().server()
    server.shut_in(print)
    asyncio.run(server.make_ready())
    assert isinstance(server, Serving)
    asyncio.run(_serve(server, aims))


async def _serve(server: Serving, aims: Aims) -> None:
    up = asyncio.Event()

    def say(line: str) -> None:
        print(line, flush=True)
        if line.startswith("serving on "):
            up.set()

    serving = asyncio.create_task(server.serve(say, attended=True))
    await up.wait()
    # On the loop, and on a thread: rights are each thread's own.
    found = {name: [_tried(what), await asyncio.to_thread(_tried, what)] for name, what in _tries(aims)}
    works = {name: await asyncio.to_thread(_tried, what) for name, what in _needed(server)}
    asked = {name: await _asked(server, request) for name, request in REQUESTS.items()}
    print(json.dumps({"found": found, "works": works, "asked": asked}), flush=True)
    await serving


def _tries(aims: Aims) -> list[tuple[str, Callable[[], object]]]:
    ptrace, read_memory, io_uring, setns = NUMBERS[os.uname().machine]
    return [
        ("git", lambda: subprocess.run(["git", "--version"], check=True, capture_output=True)),
        ("ssh", lambda: subprocess.run(["ssh", "-V"], check=True, capture_output=True)),
        ("shell", lambda: os.waitpid(os.posix_spawn("/bin/sh", ["sh", "-c", "true"], {}), 0)),
        ("fork", _fork),
        ("look into a process", lambda: _attach(ptrace, aims.process)),
        ("its memory", lambda: Path(f"/proc/{aims.process}/mem").open("rb").close()),
        ("its memory by a call", lambda: _read(read_memory, aims.process)),
        ("rings", lambda: os.close(_call(io_uring, 1, ctypes.create_string_buffer(120)))),
        ("the keeper's key", lambda: Path(aims.secret).read_bytes()),
        ("a machine's network", lambda: _enter(setns, aims.network)),
        ("a machine's socket", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close()),
        ("frames on a wire", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()),
        *((name, partial(_open, Path(path))) for name, path in aims.files.items()),
    ]


async def _asked(server: Serving, request: Request) -> str:
    try:
        await server.installation.client.ask(request)
    except SealockError as error:
        return type(error).__name__
    return "done"


def _needed(server: Serving) -> list[tuple[str, Callable[[], object]]]:
    """What it must go on doing."""

    def certify_anew() -> None:
        (server.installation.settings.data_dir / "authority" / "website.pem").unlink()
        server._certificate()

    return [
        ("a certificate is made anew", certify_anew),
        ("passwords are hashed on threads of their own", lambda: PasswordHasher().hash("password")),
        ("names are looked up", lambda: socket.getaddrinfo("localhost", 443)),
        ("threads are started", lambda: threading.Thread(target=lambda: None).start()),
        ("processes of this host are spoken to", lambda: socket.socket(socket.AF_UNIX).close()),
    ]


def _tried(what: Callable[[], object]) -> int:
    try:
        what()
    except OSError as error:
        return error.errno or -1
    return 0


def _open(path: Path) -> object:
    return [*path.iterdir()] if path.is_dir() else path.read_bytes()


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _attach(number: int, process: int) -> None:
    _call(number, _ATTACH, process, 0, 0)
    os.waitpid(process, 0x40000000)
    _call(number, _DETACH, process, 0, 0)


def _read(number: int, process: int) -> None:
    address = int(Path(f"/proc/{process}/maps").read_text().split("-", 1)[0], 16)
    into = ctypes.create_string_buffer(16)
    local = (ctypes.c_ulong * 2)(ctypes.addressof(into), 16)
    there = (ctypes.c_ulong * 2)(address, 16)
    _call(number, process, ctypes.byref(local), 1, ctypes.byref(there), 1, 0)


def _enter(number: int, network: str) -> None:
    """On a thread of its own, which is gone then."""
    with Path(network).open("rb") as namespace:
        errors: list[OSError] = []

        def enter() -> None:
            try:
                _call(number, namespace.fileno(), 0)
            except OSError as error:
                errors.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    for error in errors:
        raise error


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    wide = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments]
    answer = int(libc.syscall(ctypes.c_long(number), *wide))
    if answer == -1:
        raise OSError(ctypes.get_errno(), "refused")
    return answer


if __name__ == "__main__":
    main(Aims(**json.loads(sys.argv[1])), bare=sys.argv[2:] == ["bare"])
