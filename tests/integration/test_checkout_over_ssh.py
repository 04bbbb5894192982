"""Checkouts through the machine port a guest really has: one SSH connection to an OpenSSH server."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sealock.builds.checkout import checkout
from sealock.builds.commit_files import commit_files
from sealock.core.machine import MachineRecord, NetworkPolicy, Origin
from sealock.core.source import DirectorySource, RemoteSource
from sealock.machines.fake import GUEST
from sealock.machines.session import SshMachine
from sealock.providers.git.local import LocalRepositories
from tests.support.checkout import Bench, bench, make_repository
from tests.support.sshd import loopback_sshd

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


@pytest.fixture
async def machine(lab: Bench, tmp_path: Path) -> AsyncIterator[SshMachine]:
    (tmp_path / "guest").mkdir()
    (lab.runtime / "home").mkdir()
    record = MachineRecord("0" * 32, "none", Origin.FAKE, "none", NetworkPolicy.NONE, "SHA256:")
    start = shlex.quote(str(GUEST / "exec"))
    async with loopback_sshd(tmp_path / "guest") as sshd, await sshd.connect() as connection:
        yield SshMachine(
            connection,
            record,
            sshd.user,
            str(lab.runtime / "home"),
            exec_command=start,
            root_command=start,
            sockets=str(lab.runtime),
        )


async def test_from_a_server(lab: Bench, machine: SshMachine, tmp_path: Path) -> None:
    wanted = make_repository(tmp_path / "source", {"sealock.yml": "x\n"})
    lab.publish("sample.git", tmp_path / "source")
    project = lab.project()
    done = await checkout(
        machine,
        RemoteSource(project.address, "main"),
        50,
        True,
        ports=lab.ports(),
        emit=lab.events.append,
        project=project,
        keys=lab.key,
    )
    assert done.commit == wanted
    async with commit_files(machine, done) as files:
        assert await files.read("sealock.yml", 100) == b"x\n"
    # Of the way there nothing is left: no socket, no configuration, no agent.
    assert {each.name for each in lab.runtime.iterdir()} == {"home"}
    assert [each.name for each in Path(machine.home).iterdir()] == ["project"]


async def test_from_a_directory(lab: Bench, machine: SshMachine, tmp_path: Path) -> None:
    make_repository(tmp_path / "source", {"large": "0123456789abcdef" * 200_000})
    (tmp_path / "source/new").write_text("new\n")
    ports = dataclasses.replace(lab.ports(), dial=str(GUEST / "dial"))
    source = DirectorySource(tmp_path / "source", working_tree=True)
    async with LocalRepositories(lab.runtime).open(source) as repository:
        done = await checkout(
            machine, source, 50, True, ports=ports, emit=lab.events.append, repository=repository
        )
    assert (Path(done.directory) / "new").read_text() == "new\n"
    assert (Path(done.directory) / "large").stat().st_size == 3_200_000
