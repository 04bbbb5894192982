"""What a guest that has the agent's socket can do with it: log in to the one server, and nothing else.

Each test goes the way a build does: the agent outside, its socket served through an SSH connection into
a session of another sshd, and the ssh in there talking to the agent over two hops.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from scripts.sample.git_server import HOST, GitServer
from sealock.core.errors import PermanentError
from sealock.core.secret import Secret
from sealock.machines.agent import SshAgents
from tests.support.checkout import KeyPair, make_repository, memory
from tests.support.sshd import loopback_sshd

WORKER = """
import asyncio, sys
from pathlib import Path
from sealock.core.secret import Secret
from sealock.machines.agent import SshAgents

async def main():
    key = Secret(sys.stdin.buffer.read())
    agents = SshAgents(Path(sys.argv[1]))
    async with agents.agent(key, host="h", host_keys=(sys.argv[2],), lifetime=60) as opened:
        print(opened.socket, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def runtime() -> Iterator[Path]:
    with memory() as directory:
        yield directory


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    make_repository(tmp_path / "source")
    with GitServer(tmp_path / "server") as running:
        running.publish("sample.git", tmp_path / "source")
        yield running


@pytest.fixture
def other(server: GitServer, tmp_path: Path) -> Iterator[GitServer]:
    """A second server, with a host key of its own, that would let the same key in."""
    with GitServer(tmp_path / "other") as running:
        running.publish("sample.git", tmp_path / "source")
        yield running


@pytest.fixture
async def guest(tmp_path: Path) -> AsyncIterator[asyncssh.SSHClientConnection]:
    (tmp_path / "guest").mkdir()
    async with loopback_sshd(tmp_path / "guest") as sshd, await sshd.connect() as connection:
        yield connection


def key_of(server: GitServer) -> str:
    return " ".join(server.host_key.split()[:2])


@asynccontextmanager
async def served(guest: asyncssh.SSHClientConnection, agent: Path, at: Path) -> AsyncIterator[Path]:
    """The agent's socket, in the guest."""
    listener = await guest.forward_remote_path(str(at), str(agent))
    try:
        yield at
    finally:
        listener.close()
        await listener.wait_closed()


async def log_in(guest: asyncssh.SSHClientConnection, socket: Path, server: GitServer, hosts: Path) -> str:
    """Try to read the sample repository's refs from within the guest; what git and ssh said."""
    hosts.write_text(f"git.example {key_of(server)}\n")
    ssh = (
        f"ssh -F none -o IdentityAgent={socket} -o IdentityFile=none -o HostKeyAlias=git.example "
        f"-o UserKnownHostsFile={hosts} -o StrictHostKeyChecking=yes -o BatchMode=yes -p {server.port}"
    )
    command = ["env", f"GIT_SSH_COMMAND={ssh}", "git", "ls-remote", f"{server.user}@{HOST}:sample.git"]
    done = await guest.run(" ".join(f"'{word}'" for word in command), check=False)
    return f"{done.stdout!s}{done.stderr!s}"


async def test_the_agent_logs_in_over_two_hops(
    runtime: Path, server: GitServer, guest: asyncssh.SSHClientConnection, tmp_path: Path
) -> None:
    pair = KeyPair.make(tmp_path)
    server.authorize(pair.public, "sample.git")
    given = Secret(pair.private)
    agents = SshAgents(runtime)
    async with (
        agents.agent(given, host="git.example", host_keys=(key_of(server),), lifetime=60) as key,
        served(guest, key.socket, runtime / "in-guest") as socket,
    ):
        assert "refs/heads/main" in await log_in(guest, socket, server, tmp_path / "hosts")
        during = key.removed_at
    assert during is None
    assert key.opened_at < (key.removed_at or 0)
    with pytest.raises(ValueError, match="forgotten"):
        given.reveal()


async def test_the_key_is_of_no_use_towards_another_host(
    runtime: Path, server: GitServer, other: GitServer, guest: asyncssh.SSHClientConnection, tmp_path: Path
) -> None:
    pair = KeyPair.make(tmp_path)
    for each in (server, other):
        each.authorize(pair.public, "sample.git")
    async with (
        SshAgents(runtime).agent(
            Secret(pair.private), host="git.example", host_keys=(key_of(server),), lifetime=60
        ) as key,
        served(guest, key.socket, runtime / "in-guest") as socket,
    ):
        assert "Permission denied" in await log_in(guest, socket, other, tmp_path / "hosts")
        assert "refs/heads/main" in await log_in(guest, socket, server, tmp_path / "hosts")


async def test_without_the_constraint_it_would_be(
    runtime: Path, other: GitServer, guest: asyncssh.SSHClientConnection, tmp_path: Path
) -> None:
    """What the test above would look like with the barrier removed."""
    pair = KeyPair.make(tmp_path)
    other.authorize(pair.public, "sample.git")
    path = runtime / "plain"
    agent = await asyncio.create_subprocess_exec(
        "ssh-agent", "-D", "-a", path, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert agent.stdout is not None
        await agent.stdout.readline()
        assert talk(path, "ssh-add", "-q", "-", stdin=pair.private).returncode == 0
        async with served(guest, path, runtime / "in-guest") as socket:
            assert "refs/heads/main" in await log_in(guest, socket, other, tmp_path / "hosts")
    finally:
        agent.kill()
        await agent.communicate()


async def test_signing_anything_else_is_refused(runtime: Path, server: GitServer, tmp_path: Path) -> None:
    """ssh-keygen -Y sign asks for a signature over a file: no login, so no session is bound to it."""
    pair = KeyPair.make(tmp_path)
    (tmp_path / "id.pub").write_text(pair.public + "\n")
    (tmp_path / "file").write_text("sign me\n")
    async with SshAgents(runtime).agent(
        Secret(pair.private), host="git.example", host_keys=(key_of(server),), lifetime=60
    ) as key:
        sign = [
            "ssh-keygen",
            "-Y",
            "sign",
            "-f",
            str(tmp_path / "id.pub"),
            "-n",
            "file",
            str(tmp_path / "file"),
        ]
        done = talk(key.socket, *sign)
    assert done.returncode != 0
    assert not (tmp_path / "file.sig").exists()


async def test_a_guest_cannot_reach_the_agent_afterwards(
    runtime: Path, server: GitServer, guest: asyncssh.SSHClientConnection, tmp_path: Path
) -> None:
    pair = KeyPair.make(tmp_path)
    server.authorize(pair.public, "sample.git")
    async with SshAgents(runtime).agent(
        Secret(pair.private), host="git.example", host_keys=(key_of(server),), lifetime=60
    ) as key:
        agent = agent_process(key.socket)
        listener = await guest.forward_remote_path(str(runtime / "in-guest"), str(key.socket))
    # The guest still has its end: there is nothing at the other.
    try:
        assert "Permission denied" in await log_in(guest, runtime / "in-guest", server, tmp_path / "hosts")
    finally:
        listener.close()
        await listener.wait_closed()
    assert not Path(f"/proc/{agent}").exists()
    assert not list(runtime.glob("agent-*"))


async def test_the_key_has_a_lifetime(runtime: Path, server: GitServer, tmp_path: Path) -> None:
    pair = KeyPair.make(tmp_path)
    async with SshAgents(runtime).agent(
        Secret(pair.private), host="git.example", host_keys=(key_of(server),), lifetime=1
    ) as key:
        async with asyncio.timeout(30):
            while b"no identities" not in talk(key.socket, "ssh-add", "-l").stdout:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.2)


async def test_the_key_is_in_no_argument_environment_or_file(
    runtime: Path, server: GitServer, tmp_path: Path
) -> None:
    pair = KeyPair.make(tmp_path)
    body = pair.private.split(b"\n")[3]
    async with SshAgents(runtime).agent(
        Secret(pair.private), host="git.example", host_keys=(key_of(server),), lifetime=60
    ) as key:
        agent = Path(f"/proc/{agent_process(key.socket)}")
        assert agents_in(runtime) == [int(agent.name)]
        limits = (agent / "limits").read_text()
        assert next(line for line in limits.splitlines() if "core file" in line).split()[4:6] == ["0", "0"]
        assert "NoNewPrivs:\t1" in (agent / "status").read_text()
        for place in (agent / "cmdline", agent / "environ", *runtime.rglob("*")):
            if place.is_file():
                assert body not in place.read_bytes()
        assert oct(key.socket.parent.stat().st_mode & 0o777) == "0o700"
        assert oct(key.socket.stat().st_mode & 0o777) == "0o600"


async def test_a_killed_worker_takes_the_agent_along(
    runtime: Path, server: GitServer, tmp_path: Path
) -> None:
    pair = KeyPair.make(tmp_path)
    socket, agent = killed_worker(pair, runtime, key_of(server))
    await gone(agent)
    assert socket.parent.exists()
    # The next one to start an agent removes what is left.
    async with SshAgents(runtime).agent(
        Secret(pair.private), host="h", host_keys=(key_of(server),), lifetime=60
    ):
        assert not socket.parent.exists()


async def test_whatever_fails_leaves_no_agent_and_no_key(runtime: Path, server: GitServer) -> None:
    for private, host_keys, reason in (
        (b"no key\n", (key_of(server),), "did not take the key"),
        (b"no key\n", (), "did not take the key"),
    ):
        given = Secret(private)
        with pytest.raises(PermanentError, match=reason):
            async with SshAgents(runtime).agent(given, host="h", host_keys=host_keys, lifetime=60):
                pass
        with pytest.raises(ValueError, match="forgotten"):
            given.reveal()
    with pytest.raises(PermanentError, match="not in memory"):
        async with SshAgents(Path("/proc")).agent(Secret(b"x"), host="h", host_keys=(), lifetime=60):
            pass
    assert agents_in(runtime) == []
    assert not list(runtime.iterdir())


async def test_a_block_that_raises_still_says_when_the_key_was_removed(
    runtime: Path, server: GitServer, tmp_path: Path
) -> None:
    pair = KeyPair.make(tmp_path)
    with pytest.raises(RuntimeError, match="the fetch broke"):
        async with SshAgents(runtime).agent(
            Secret(pair.private), host="h", host_keys=(key_of(server),), lifetime=60
        ) as key:
            raise RuntimeError("the fetch broke")
    assert key.removed_at is not None


def talk(socket: Path, *command: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a client of the agent."""
    environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
    return subprocess.run(command, input=stdin, env=environment, capture_output=True, check=False)


def killed_worker(pair: KeyPair, runtime: Path, host_key: str) -> tuple[Path, int]:
    """A worker killed while its agent held the key: the agent's socket and process."""
    command = [sys.executable, "-c", WORKER, str(runtime), host_key]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(pair.private)
        worker.stdin.close()
        socket = Path(worker.stdout.readline().decode().strip())
        agent = agent_process(socket)
        worker.send_signal(signal.SIGKILL)
    return socket, agent


async def gone(process: int) -> None:
    async with asyncio.timeout(60):
        while is_alive(process):  # noqa: ASYNC110  # another process tells nobody
            await asyncio.sleep(0.02)


def agents_in(runtime: Path) -> list[int]:
    """The agents that live and have their sockets below that directory: others' come and go."""
    return [
        int(each.parent.name)
        for each in Path("/proc").glob("[0-9]*/cmdline")
        if (words := _read(each).split("\0"))[0] == "ssh-agent"
        and any(str(runtime) in word for word in words)
    ]


def agent_process(socket: Path) -> int:
    """The ssh-agent that listens on `socket`."""
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        words = _read(each).split("\0")
        if words[0] == "ssh-agent" and str(socket) in words:
            return int(each.parent.name)
    raise AssertionError(f"no agent listens on {socket}")


def is_alive(process: int) -> bool:
    """A zombie nobody has waited for is dead."""
    return "State:\tZ" not in _read(Path(f"/proc/{process}/status")) and Path(f"/proc/{process}").exists()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
