"""The two places code comes from, as one: a Git server, and a repository of this host.

Either gives the guest's Git a route to each repository that is fetched, and says where a submodule's
repository is. The ports they open in the guest are closed when their blocks are left.
"""

from __future__ import annotations

import shlex
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from sealock.builds.gitmodules import Submodule, address_of
from sealock.builds.guest_git import Route
from sealock.builds.placed import place
from sealock.core.errors import SealockError
from sealock.core.machine import Connect, Machine
from sealock.core.project import Project
from sealock.core.repository import GitDialer, Repository
from sealock.core.source import GitAddress

ALIAS = "sealock-git"
"""What the Git server is called in the guest's ssh_config; no DNS name is ever looked up there."""

OURS = ".sealock"
"""The directory in the guest's home with what a fetch needs, until the working tree is written."""


class Upstream(Protocol):
    """Where one repository is fetched from. what: names it in messages. origin: its URL for the remote
    `origin`, None if it gets none. project: whose key is used, if any."""

    @property
    def what(self) -> str: ...

    @property
    def origin(self) -> str | None: ...

    @property
    def project(self) -> Project | None: ...

    def route(self) -> AbstractAsyncContextManager[Route]:
        """The way there, while the block lasts."""
        ...

    async def submodule(self, module: Submodule) -> Upstream | str:
        """Where a submodule of it is fetched from; or why it is left out, in a few words."""
        ...

    def trouble(self) -> SealockError | OSError | None:
        """What went wrong on this side of the last connection: the guest only saw it close."""
        ...


@dataclass
class Noted:
    """A Connect that remembers what it failed with."""

    connect_to: Connect
    failure: SealockError | OSError | None = None

    async def connect(self) -> tuple[StreamReader, StreamWriter]:
        self.failure = None
        try:
            return await self.connect_to()
        except OSError as error:
            self.failure = error
            raise
        except SealockError as error:
            self.failure = error
            raise ConnectionRefusedError(error.brief) from error


@dataclass(frozen=True)
class OnServer:
    """A repository on the project's Git server. All of them share one port and one ssh_config."""

    address: GitAddress
    project: Project
    ssh: str
    noted: Noted
    parse_address: Callable[[str], GitAddress] = field(repr=False)

    @property
    def what(self) -> str:
        return str(self.address)

    @property
    def origin(self) -> str:
        return str(self.address)

    @asynccontextmanager
    async def route(self) -> AsyncIterator[Route]:
        path = self.address.path
        # Without a leading slash the path is relative to the server's idea of home, as in `host:path`.
        url = f"ssh://{ALIAS}{path}" if path.startswith("/") else f"{ALIAS}:{path}"
        yield Route(url, {"GIT_SSH_COMMAND": self.ssh, "GIT_SSH_VARIANT": "ssh"})

    async def submodule(self, module: Submodule) -> Upstream | str:
        found = address_of(module, self.address, self.parse_address)
        if isinstance(found, str):
            return found
        return OnServer(found, self.project, self.ssh, self.noted, self.parse_address)

    def trouble(self) -> SealockError | OSError | None:
        return self.noted.failure


@asynccontextmanager
async def server(
    machine: Machine,
    project: Project,
    agent_socket: str,
    dialer: GitDialer,
    parse_address: Callable[[str], GitAddress],
    *,
    files: Mapping[str, str | None],
) -> AsyncIterator[OnServer]:
    """The project's Git server, reachable from the guest until the block is left. agent_socket: where
    the guest finds the agent with the project's key. files: what else is to lie in the machine first, as
    `placed.place` has it. What the way there needs is in the directory `OURS` of the guest's home; whoever
    goes on removes it, and it is removed here if the block fails."""
    noted = Noted(dialer.connector(project.address))
    directory = f"{machine.home}/{OURS}"
    async with machine.serve_port(noted.connect) as port:
        known = "".join(f"{project.address.host} {key}\n" for key in project.host_keys)
        config = ssh_config(project, port, directory, agent_socket)
        ours = {OURS: None, f"{OURS}/known_hosts": known, f"{OURS}/ssh_config": config}
        await place(machine, {**ours, **files}, OURS)
        # Git hands this to a shell; it is our own text but for the home directory of the image's user.
        ssh = f"ssh -F {shlex.quote(f'{directory}/ssh_config')}"
        try:
            yield OnServer(project.address, project, ssh, noted, parse_address)
        except BaseException:
            await machine.run(["rm", "-rf", "--", directory])
            raise


def ssh_config(project: Project, port: int, directory: str, agent_socket: str) -> str:
    """The whole configuration of the guest's ssh: one host, its pinned keys, one agent, nothing else."""
    algorithms = ",".join(_algorithms(project.host_keys))
    return f"""\
Host {ALIAS}
    HostName 127.0.0.1
    Port {port}
    User {project.address.user}
    HostKeyAlias {project.address.host}
    HostKeyAlgorithms {algorithms}
    UserKnownHostsFile "{directory}/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    UpdateHostKeys no
    CheckHostIP no
    VerifyHostKeyDNS no
    IdentityAgent "{agent_socket}"
    IdentityFile none
    PreferredAuthentications publickey
    BatchMode yes
    ForwardAgent no
    ClearAllForwardings yes
    PermitLocalCommand no
    RequestTTY no
    ConnectTimeout 60
    ServerAliveInterval 30
    ServerAliveCountMax 4
    LogLevel INFO
"""


def _algorithms(host_keys: tuple[str, ...]) -> list[str]:
    """What the server may prove itself by; an RSA key signs with SHA-2 only."""
    names: list[str] = []
    for key in host_keys:
        name = key.split()[0]
        names += ["rsa-sha2-512", "rsa-sha2-256"] if name == "ssh-rsa" else [name]
    return list(dict.fromkeys(names))


@dataclass(frozen=True)
class OnThisHost:
    """A repository of this host. Each gets a port of its own while it is fetched."""

    repository: Repository
    machine: Machine
    dial: str
    origin: None = None
    project: None = None

    @property
    def what(self) -> str:
        return self.repository.name

    @asynccontextmanager
    async def route(self) -> AsyncIterator[Route]:
        async with self.machine.serve_port(self.repository.connector()) as port:
            env = {"GIT_SSH": self.dial, "GIT_SSH_VARIANT": "ssh", "SEALOCK_PORT": str(port)}
            yield Route(f"{ALIAS}:repository", env)

    async def submodule(self, module: Submodule) -> Upstream | str:
        found = (await self.repository.submodules()).get(module.path)
        if found is None or found.commit != module.commit:
            return "it is not initialised here"
        return OnThisHost(found, self.machine, self.dial)

    def trouble(self) -> None:
        return None
