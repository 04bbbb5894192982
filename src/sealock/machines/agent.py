"""An ssh-agent of its own for each key: outside the guest, in memory, for as long as the fetch takes.

OpenSSH's agent is used because it already does what matters here: the key has a lifetime and works
towards one destination only. The guest's ssh proves to the agent which host key the server showed
(session-bind); for any other host the agent refuses to sign, whoever asks, root in the guest included.
The private key reaches the agent through a pipe: it is in no file, argument or environment.
"""

from __future__ import annotations

import asyncio
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from sealock.core.errors import InfrastructureError, PermanentError, TemporaryError
from sealock.core.keys import OpenKey
from sealock.core.mounts import is_on_tmpfs
from sealock.core.scratch import scratch
from sealock.core.secret import Secret

START_SECONDS = 20.0
"""For the agent to listen, and for each conversation with it; milliseconds on a quiet host."""

_CONTAINED = ["prlimit", "--core=0:0", "--", "setpriv", "--no-new-privs", "--pdeathsig", "KILL", "--"]
"""No core dump, and killed with the process that started it. ssh-agent is set-group-ID, and the kernel
forgets the parent-death signal for such programs: --no-new-privs takes that bit away from it."""

_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


class SshAgents:
    """Starts agents outside the guest (`core.keys.Agents`)."""

    def __init__(self, runtime_dir: Path) -> None:
        """runtime_dir: on tmpfs; each agent gets a directory of its own in it."""
        self._runtime_dir = runtime_dir

    @asynccontextmanager
    async def agent(
        self, private_key: Secret, *, host: str, host_keys: tuple[str, ...], lifetime: float
    ) -> AsyncIterator[OpenKey]:
        """An agent of its own for this key, which it will use only towards `host` as proved by
        `host_keys`, for at most `lifetime` seconds. Leaving the block removes the key and ends the
        agent; `removed_at` says when. `private_key` is forgotten once the agent has it.

        PermanentError: an ssh-agent without destination constraints, a key or host key it does not
        take, a directory that is not in memory. TemporaryError: it did not start.
        """
        opened: list[OpenKey] = []
        try:
            with private_key, scratch(self._memory(), "agent") as directory:
                known_hosts = directory / "known_hosts"
                known_hosts.write_text("".join(f"{host} {key}\n" for key in host_keys))
                async with _running(directory / "socket") as socket:
                    await _add(private_key, socket, host, known_hosts, lifetime)
                    private_key.forget()
                    opened.append(OpenKey(socket=socket, opened_at=time.time()))
                    try:
                        yield opened[0]
                    finally:
                        await _remove(socket)
        finally:
            for key in opened:
                key.removed_at = time.time()

    def _memory(self) -> Path:
        if not is_on_tmpfs(self._runtime_dir):
            raise PermanentError(
                f"{self._runtime_dir} is not in memory",
                resolution="Name a directory on tmpfs, such as one in /run, as the runtime directory.",
            )
        return self._runtime_dir


@asynccontextmanager
async def _running(socket: Path) -> AsyncIterator[Path]:
    """An ssh-agent that listens on `socket`, ended and waited for when the block is left."""
    process = await _start([*_CONTAINED, "ssh-agent", "-D", "-a", str(socket)])
    try:
        await _until_it_listens(process)
        yield socket
    finally:
        await _end(process)


async def _start(command: list[str]) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=_ENVIRONMENT, start_new_session=True
        )
    except FileNotFoundError as error:
        raise _missing(str(error.filename)) from error


async def _until_it_listens(process: Process) -> None:
    """It prints where it listens once it does."""
    assert process.stdout is not None  # asked for above
    try:
        async with asyncio.timeout(START_SECONDS):
            line = await process.stdout.readline()
    except TimeoutError:
        line = b""
    if not line.startswith(b"SSH_AUTH_SOCK="):
        if process.returncode is None:
            process.kill()
        _, seen = await process.communicate()
        raise TemporaryError(
            "ssh-agent did not start",
            details=seen.decode(errors="replace").strip(),
            resolution="Check that OpenSSH's client and util-linux are installed and the runtime directory's "
            "path is shorter than 60 characters.",
        )


async def _end(process: Process) -> None:
    """Killed rather than asked: it has nothing to tidy up, its directory is removed by us."""
    if process.returncode is None:
        process.kill()
    await asyncio.shield(process.wait())


async def _add(key: Secret, socket: Path, host: str, known_hosts: Path, lifetime: float) -> None:
    command = ["ssh-add", "-q", "-t", str(max(1, int(lifetime))), "-h", host, "-H", str(known_hosts), "-"]
    code, seen = await _talk(socket, command, key.reveal())
    if code != 0:
        raise PermanentError(
            f"ssh-agent did not take the key for {host}",
            details=seen,
            resolution="It takes OpenSSH 8.9 or newer here, and valid host keys of the project's Git server.",
        )


async def _remove(socket: Path) -> None:
    """Asked to forget the key before it is killed: it overwrites it. Killing it does the rest."""
    with suppress(InfrastructureError):
        await asyncio.shield(_talk(socket, ["ssh-add", "-q", "-D"], b""))


async def _talk(socket: Path, command: list[str], stdin: bytes) -> tuple[int, str]:
    """Run ssh-add: its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *_CONTAINED,
        *command,
        stdin=PIPE,
        stdout=DEVNULL,
        stderr=PIPE,
        env={**_ENVIRONMENT, "SSH_AUTH_SOCK": str(socket), "SSH_ASKPASS_REQUIRE": "never"},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(START_SECONDS):
            _, seen = await process.communicate(stdin)
    except TimeoutError as error:
        raise TemporaryError(
            "ssh-agent does not answer", resolution="Try again; if it stays so, look at this host's load."
        ) from error
    finally:
        await _end(process)
    return process.returncode or 0, seen.decode(errors="replace").strip()


def _missing(program: str) -> PermanentError:
    return PermanentError(
        f"{program} is not installed", resolution="Install openssh-client and util-linux on this host."
    )
