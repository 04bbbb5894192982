"""A project, its key and a Git server, ready for checkouts into a fake machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.sample.git_server import GitServer
from sealock.builds.checkout import CheckoutPorts, checkout
from sealock.core.event import Event, Notice
from sealock.core.machine import Machine, MachineSpec
from sealock.core.project import Project, ssh_key_name
from sealock.core.repository import GitDialer
from sealock.core.sealed import Sealed
from sealock.core.secret import Secret
from sealock.core.source import Checkout, DirectorySource, RemoteSource
from sealock.machines.agent import SshAgents
from sealock.machines.fake import FakeMachines
from sealock.providers.git.address import parse
from sealock.providers.git.dial import GitDialer as Dialer
from sealock.providers.git.local import LocalRepositories
from sealock.providers.git.ref import check_ref

NOT_SEALED = Sealed(ssh_key_name("0" * 32, "sample", 1), 1, "none", b"", 0.0)


@contextmanager
def memory() -> Iterator[Path]:
    """A directory on tmpfs, with a short path as sockets want it."""
    with TemporaryDirectory(prefix="sealock-test-", dir="/dev/shm") as directory:
        yield Path(directory)


def git(directory: Path, *arguments: str, stdin: str | None = None) -> str:
    """Run git as somebody with no configuration of their own."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": os.devnull}
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "protocol.file.allow=always"]
    done = subprocess.run(
        ["git", "-C", directory, *who, *arguments],
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def make_repository(directory: Path, files: dict[str, str] | None = None) -> str:
    """A repository with one commit on `main`; returns the commit."""
    directory.mkdir(parents=True)
    git(directory, "init", "-q", "-b", "main")
    return commit(directory, files or {"file": "content\n"})


def commit(directory: Path, files: dict[str, str]) -> str:
    """Write the files and commit everything."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(directory, "add", "--all")
    git(directory, "commit", "-q", "--allow-empty", "-m", "A change")
    return git(directory, "rev-parse", "HEAD")


@dataclass
class KeyPair:
    """An Ed25519 pair that is given out as if it had been opened."""

    private: bytes
    public: str
    given: list[Secret] = field(default_factory=list)

    @classmethod
    def make(cls, directory: Path) -> KeyPair:
        path = directory / "id"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path], check=True)
        pair = cls(path.read_bytes(), path.with_suffix(".pub").read_text().strip())
        path.unlink()
        return pair

    async def open_key(self, project: Project) -> Secret:
        """As `core.keys.KeyRelease`."""
        self.given.append(Secret(self.private))
        return self.given[-1]


@dataclass
class Bench:
    """Everything a checkout takes. events: what it told."""

    server: GitServer
    key: KeyPair
    runtime: Path
    root: Path
    events: list[Event] = field(default_factory=list)
    dialer: GitDialer = field(default_factory=lambda: Dialer(["127.0.0.1"]))

    def publish(self, name: str, source: Path) -> None:
        """Put all of `source`'s branches and tags on the server as `name`."""
        git(source, "clone", "-q", "--bare", str(source), str(self.server.directory / name))

    def let_in(self, setting: str = "") -> None:
        """Let the key read every repository. setting: shell text that comes before the upload."""
        command = self.server.directory / "any-repository"
        command.write_text(
            f"#!/bin/sh\n{setting}\nname=${{SSH_ORIGINAL_COMMAND#git-upload-pack }}\n"
            f'name=$(echo "$name" | tr -d \\\')\nexec git-upload-pack {self.server.directory}/"${{name#/}}"\n'
        )
        command.chmod(0o700)
        line = f'restrict,command="{command}" {self.key.public}\n'
        (self.server.directory / "authorized_keys").write_text(line)

    def project(self, name: str = "sample.git", host_key: str = "") -> Project:
        """The project of the repository `name`, with the server's host key pinned unless another is given."""
        key = host_key or " ".join(self.server.host_key.split()[:2])
        return Project(
            "0" * 32, "sample", parse(self.server.address(name)), (key,), self.key.public, NOT_SEALED, 0.0
        )

    def ports(self) -> CheckoutPorts:
        return CheckoutPorts(self.dialer, SshAgents(self.runtime), parse, check_ref)

    @asynccontextmanager
    async def machine(self) -> AsyncIterator[Machine]:
        async with FakeMachines(self.root).machine(MachineSpec(image="sha256:" + "0" * 64)) as machine:
            yield machine

    async def fetch(
        self,
        machine: Machine,
        project: Project,
        ref: str | None = None,
        depth: int = 50,
        submodules: bool = True,
    ) -> Checkout:
        """Check the project's repository out."""
        source = RemoteSource(project.address, ref)
        return await checkout(
            machine,
            source,
            depth,
            submodules,
            ports=self.ports(),
            emit=self.events.append,
            project=project,
            keys=self.key,
        )

    async def take(self, machine: Machine, source: DirectorySource, depth: int = 50) -> Checkout:
        """Check a directory out."""
        async with LocalRepositories(self.runtime).open(source) as repository:
            return await checkout(
                machine,
                source,
                depth,
                True,
                ports=self.ports(),
                emit=self.events.append,
                repository=repository,
            )

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Notice)]


@contextmanager
def bench(directory: Path) -> Iterator[Bench]:
    """A server whose `sample.git` the key may read, on which nothing is published yet."""
    with memory() as runtime, GitServer(directory / "server") as server:
        made = Bench(server, KeyPair.make(directory), runtime, runtime / "machines")
        server.authorize(made.key.public, "sample.git")
        yield made
