"""Ways out for a secret that are no output of a command: a guest's last words, and what it answers when it is
handed one. Whoever has the guest can print a secret in disguise; here it goes out as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sealock.core.build import Outcome
from sealock.core.machine import Completed, Ending, Machine, MachineSpec
from sealock.core.project import Project, ssh_key_name
from sealock.core.sealed import Kind, Sealed
from sealock.core.source import DirectorySource, GitAddress
from sealock.machines.fake import FakeMachine, FakeMachines, Faults
from tests.support.checkout import make_repository, memory
from tests.support.run import Course, local_checkout

pytestmark = pytest.mark.anyio

ID = "0" * 32
TOKEN = b"tok-7Qm2xLw9"
PLAN = """\
test:
  unit:
    commands: ['yes']
    secrets: [TOKEN, key.pem]
"""
FAULTS = Faults(cut_after=100_000, cut_as=Ending.POWERED_OFF)
KEY = Sealed(ssh_key_name(ID, "shop", 1), 1, "none", b"", 0.0)
SHOP = Project(ID, "shop", GitAddress("git", "h", 22, "shop.git"), ("k",), "ssh-ed25519 AAAA", KEY, 1.0)


class RogueGuest:
    """A machine whose root is an attacker: its shell answers with what it is given, and its console has what
    it saw."""

    def __init__(self, machine: FakeMachine, *, refuses: bool) -> None:
        self._machine, self._refuses = machine, refuses

    def __getattr__(self, name: str) -> Any:  # all else is the fake's
        return getattr(self._machine, name)

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", **options: Any) -> Completed:
        if TOKEN in stdin and self._refuses:
            return Completed(1, b"", b"sh: cannot keep " + stdin)
        return await self._machine.run(argv, stdin=stdin, **options)

    def console(self) -> str:
        return f"[ 1.0] app: started with {TOKEN.decode()}\n[ 2.0] reboot: Power down"


class RogueMachines(FakeMachines):
    """refuses: whether the guest takes no secret."""

    refuses = False

    @asynccontextmanager
    async def machine(self, spec: MachineSpec) -> AsyncIterator[Machine]:
        async with super().machine(spec) as machine:
            assert isinstance(machine, FakeMachine)
            yield RogueGuest(machine, refuses=self.refuses)


@pytest.fixture
def course(tmp_path: Path) -> Iterator[Course]:
    with memory() as runtime:
        checkout, _ = local_checkout(runtime)
        made = Course(tmp_path, runtime, checkout, RogueMachines(runtime / "machines", FAULTS))
        make_repository(tmp_path / "sample", {"sealock.yml": PLAN})
        made.vault.put(ID, "TOKEN", TOKEN)
        made.vault.put(ID, "key.pem", TOKEN, Kind.FILE)
        yield made


async def test_the_last_words_of_a_machine_are_masked(course: Course, tmp_path: Path) -> None:
    result = await course.run(DirectorySource(tmp_path / "sample", "main"), project=SHOP)
    assert result.record.outcome is Outcome.MACHINE_LOST
    told = "\n".join(course.notices)
    assert "Power down" in told
    assert "started with ***" in told
    assert TOKEN.decode() not in told


async def test_what_a_guest_answers_to_a_secret_is_masked(course: Course, tmp_path: Path) -> None:
    assert isinstance(course.machines, RogueMachines)
    course.machines.refuses = True
    result = await course.run(DirectorySource(tmp_path / "sample", "main"), project=SHOP)
    assert result.record.outcome is Outcome.ERROR
    assert result.error is not None
    assert "cannot keep ***" in str(result.error)
    assert TOKEN.decode() not in repr(vars(result.error)) + str(result.error.args)


@pytest.mark.parametrize("command", [f"false {TOKEN.decode()}", f"exit 0 # {TOKEN.decode()}"])
async def test_why_a_build_failed_is_told_without_its_secrets(
    course: Course, tmp_path: Path, command: str
) -> None:
    """Who writes one into sealock.yml tells it to readers of the repository, not to all who see a build."""
    course.machines._faults = Faults()
    plan = PLAN.replace("'yes'", f"'{command}', 'true'")
    make_repository(tmp_path / "other", {"sealock.yml": plan})
    result = await course.run(DirectorySource(tmp_path / "other", "main"), project=SHOP)
    assert result.record.outcome is Outcome.RED
    assert "***" in result.record.reason
    assert TOKEN.decode() not in result.record.reason
