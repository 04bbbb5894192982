"""A private OpenSSH server on loopback that stands in for a guest's: one key logs in, ports and sockets
may be served through it. It ends with its block, and so does every session of it."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import socket
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncssh

HOST = "127.0.0.1"
CONFIGURATION = """\
ListenAddress {host}:{port}
HostKey {directory}/host_key
PidFile none
AuthorizedKeysFile {directory}/authorized_keys
AuthenticationMethods publickey
PermitRootLogin prohibit-password
UsePAM {pam}
AllowTcpForwarding yes
AllowStreamLocalForwarding yes
StreamLocalBindMask 0177
StreamLocalBindUnlink yes
PermitTTY no
StrictModes no
# Debian's bash reads ~/.bashrc for a command that comes over SSH, unless it is a shell inside a shell.
SetEnv SHLVL=1
LogLevel VERBOSE
"""


@dataclass
class Sshd:
    """A running server. user, home: who logs in, the user who runs this."""

    directory: Path
    port: int
    process: Process
    login: asyncssh.SSHKey
    user: str
    home: str

    @property
    def host_key(self) -> str:
        """As `ssh-ed25519 AAAA…`."""
        return (self.directory / "host_key.pub").read_text().strip()

    async def connect(self, keepalive: float = 15) -> asyncssh.SSHClientConnection:
        """A new connection, its host key pinned. keepalive: seconds; after three unanswered it is lost."""
        return await asyncssh.connect(
            HOST,
            self.port,
            username=self.user,
            client_keys=[self.login],
            known_hosts=asyncssh.import_known_hosts(f"[{HOST}]:{self.port} {self.host_key}\n"),
            agent_path=None,
            config=None,
            keepalive_interval=keepalive,
            keepalive_count_max=3,
        )

    def signal_sessions(self, number: signal.Signals) -> None:
        """Send a signal to every process that serves a connection, not to the listening one."""
        for process in _below(self.process.pid):
            if _name(process).startswith("sshd"):
                with suppress(ProcessLookupError):
                    os.kill(process, number)


@asynccontextmanager
async def loopback_sshd(directory: Path) -> AsyncIterator[Sshd]:
    """Serve until the block is left. directory: empty, its owner's alone; the caller removes it."""
    directory.chmod(0o700)
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(directory / "host_key")
    host_key = asyncssh.read_private_key(directory / "host_key")
    host_key.write_public_key(directory / "host_key.pub")
    (directory / "host_key").chmod(0o600)
    login = asyncssh.generate_private_key("ssh-ed25519")
    (directory / "authorized_keys").write_bytes(login.export_public_key())
    entry = pwd.getpwuid(os.geteuid())
    port, process = await _start(directory, entry.pw_name)
    server = Sshd(directory, port, process, login, entry.pw_name, entry.pw_dir)
    try:
        yield server
    finally:
        for each in [process.pid, *_below(process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        await process.wait()
        # A machine that goes takes along what runs in it; here that is left to us.
        for each in _came_in_by(port):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)


async def _start(directory: Path, user: str) -> tuple[int, Process]:
    """Listen at a free port. Another process may take it between asking and binding: try again."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    for _ in range(5):
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = probe.getsockname()[1]
        pam = "yes" if _password_is_locked(user) else "no"
        text = CONFIGURATION.format(host=HOST, port=port, directory=directory, pam=pam)
        (directory / "sshd_config").write_text(text)
        with (directory / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(str(shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")), "-D", "-e"),
                *("-f", str(directory / "sshd_config")),
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if await _answers(port, process):
            return port, process
        if process.returncode is None:
            process.kill()
        await process.wait()
    raise RuntimeError(f"sshd did not come up:\n{(directory / 'log').read_text()}")


async def _answers(port: int, process: Process) -> bool:
    for _ in range(200):
        if process.returncode is not None:
            return False
        try:
            reader, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        greeting = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return greeting.startswith(b"SSH-")
    return False


def _below(root: int) -> list[int]:
    """Every process that descends from `root`."""
    found: list[int] = []
    for path in Path(f"/proc/{root}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, path.read_text().split()):
                found += [child, *_below(child)]
    return found


def _came_in_by(port: int) -> list[int]:
    """What a session of this server has left behind, by the mark sshd gives it."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            variables = path.read_bytes().split(b"\0")
            if any(one.startswith(b"SSH_CONNECTION=") and one.endswith(b" %d" % port) for one in variables):
                found.append(int(path.parent.name))
    return found


def _name(process: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{process}/comm").read_text()
    return ""


def _password_is_locked(user: str) -> bool:
    """Without PAM sshd refuses accounts whose password is locked, as root's often is."""
    with suppress(OSError):
        lines = Path("/etc/shadow").read_text(encoding="utf-8").splitlines()
        return any(line.startswith(f"{user}:!") for line in lines)
    return False
