"""Root in the guest looks for the project's key: while the code is fetched with it, and afterwards.

Its memory is searched from this host, which sees every page the guest has, its kernel's included: more
than root in there could. The key to look for so never comes into the guest by the search itself.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from scripts.sample.git_server import HOST, GitServer
from sealock.core.machine import Connect, Machine, MachineSpec
from sealock.core.secret import Secret
from sealock.machines.agent import SshAgents
from sealock.machines.qemu import QemuMachines
from tests.support.checkout import Bench, bench, make_repository
from tests.support.machines import guest_of, sh
from tests.support.memory import found_in

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
# Everything that talks to an agent, or could: sockets, variables, files that look like a private key.
SEARCH = r"""
tail -qn +2 /proc/net/unix | awk '{print "socket", $8}' | sort -u
find /etc /root /home /run /tmp /dev/shm -type s 2>/dev/null | sed 's/^/file /'
cat /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep -a -E 'SSH_AUTH_SOCK|SSH_AGENT|PRIVATE' |
  sed 's/^/variable /'
grep -rls -e 'PRIVATE KEY-----' /etc /root /home /run /tmp /var/tmp /dev/shm | sed 's/^/key /'
ls -A /home/build/.sealock 2>/dev/null | sed 's/^/rest /'
tail -qn +2 /proc/net/tcp | awk '$4 == "0A" {print "port", $2}'
exit 0
"""


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Bench]:
    """A Git server with a private repository, and the key that reads it."""
    make_repository(tmp_path / "source", {"file": "content\n"})
    with bench(tmp_path) as made:
        made.publish("sample.git", tmp_path / "source")
        yield made


@pytest.fixture
async def machine(machines: QemuMachines, spec: MachineSpec) -> AsyncIterator[Machine]:
    async with machines.machine(spec) as made:
        yield made


def needles(private: bytes) -> list[bytes]:
    """A private key in each form it could lie in memory: its seed, in hexadecimal, in Base64 at each of
    its three positions, and the lines of its file."""
    key = load_ssh_private_key(private, None)
    assert isinstance(key, Ed25519PrivateKey)
    seed = key.private_bytes_raw()
    encoded = [base64.b64encode(b"\0" * shift + seed)[4 * (shift > 0) : 40] for shift in range(3)]
    lines = private.splitlines()[1:-1]
    # The first line of the file holds no secret yet.
    return [seed, seed[:16], seed.hex().encode(), *encoded, *lines[1:3]]


async def leaked(machine: Machine, private: bytes) -> set[bytes]:
    child = guest_of(machine).child
    assert child is not None
    return await asyncio.to_thread(found_in, child.pid, needles(private))


async def test_after_the_checkout_there_is_nothing_to_find(machine: Machine, work: Bench) -> None:
    before = await sh(machine, SEARCH, root=True)
    done = await work.fetch(machine, work.project())
    assert await sh(machine, f"cat {done.directory}/file") == "content"
    assert done.key_removed_at is not None
    assert await leaked(machine, work.key.private) == set()
    after = await sh(machine, SEARCH, root=True)
    assert after == before
    assert set(re.findall(r"^key (.*)", after, re.MULTILINE)) == {"/run/sealock/host_key"}


async def test_a_key_that_was_there_is_found(machine: Machine, tmp_path: Path) -> None:
    """The search itself: in a file, and in a variable of a process."""
    in_a_process = "X=$(cat); X=$X setsid sleep 60 >/dev/null 2>&1 </dev/null &"
    for plant in ("cat >~/key", in_a_process):
        decoy = asyncssh.generate_private_key("ssh-ed25519").export_private_key()
        await machine.run(["bash", "-c", plant], stdin=decoy)
        assert await leaked(machine, decoy), plant
    assert "/home/build/key" in await sh(machine, SEARCH, root=True)


@asynccontextmanager
async def agent_in(machine: Machine, work: Bench) -> AsyncIterator[str]:
    """The state of a fetch that is going on: the agent's socket is in the guest."""
    agents = SshAgents(work.runtime)
    host_key = " ".join(work.server.host_key.split()[:2])
    async with (
        agents.agent(Secret(work.key.private), host="git.example", host_keys=(host_key,), lifetime=60) as key,
        machine.serve_socket("agent", key.socket) as socket,
    ):
        yield socket


def to(server: GitServer) -> Connect:
    return lambda: asyncio.open_connection(HOST, server.port)


async def log_in(machine: Machine, socket: str, server: GitServer) -> str:
    """Root in the guest tries the agent on a server, whose host key it takes for the right one."""
    async with machine.serve_port(to(server)) as port:
        known = f"git.example {' '.join(server.host_key.split()[:2])}\n"
        await machine.run(
            ["install", "-m", "600", "/dev/stdin", "/root/known"], stdin=known.encode(), root=True
        )
        options = f"-F none -i /dev/null -o IdentityAgent={socket} -o HostKeyAlias=git.example"
        trust = "-o UserKnownHostsFile=/root/known -o StrictHostKeyChecking=yes -o BatchMode=yes"
        command = ["ssh", *options.split(), *trust.split(), "-p", str(port), f"{server.user}@127.0.0.1"]
        done = await machine.run([*command, "git-upload-pack '/sample.git'"], stdin=b"0000", root=True)
        return (done.stdout + done.stderr).decode(errors="replace")


async def test_while_it_is_fetched_the_key_signs_for_one_host(
    machine: Machine, work: Bench, tmp_path: Path
) -> None:
    """A second server would let the key in; it shows its own, genuine host key."""
    with GitServer(tmp_path / "other") as other:
        other.publish("sample.git", tmp_path / "source")
        other.authorize(work.key.public, "sample.git")
        async with agent_in(machine, work) as socket:
            assert "refs/heads/main" in await log_in(machine, socket, work.server)
            refused = await log_in(machine, socket, other)
            assert "refs/heads/main" not in refused
            assert "Permission denied" in refused
            assert await leaked(machine, work.key.private) == set()
        assert "refs/heads/main" not in await log_in(machine, socket, work.server)


async def test_it_signs_nothing_but_log_ins(machine: Machine, work: Bench) -> None:
    async with agent_in(machine, work) as socket:
        await machine.run(["tee", "/root/key.pub"], stdin=work.key.public.encode(), root=True)
        sign = ["ssh-keygen", "-Y", "sign", "-n", "file", "-f", "/root/key.pub", "/etc/hostname"]
        done = await machine.run(sign, root=True, env={"SSH_AUTH_SOCK": socket})
        assert done.exit_code != 0
        add = await machine.run(["ssh-add", "-D"], root=True, env={"SSH_AUTH_SOCK": socket})
        assert (await machine.run(["test", "-e", "/etc/hostname.sig"])).exit_code == 1, add.stderr
