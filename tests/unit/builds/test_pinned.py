"""A build gets the versions of secrets that an earlier one was given, or hears which it cannot have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.builds.pinned import versions_given
from sealock.builds.request import RunRequest
from sealock.builds.run import Runner, RunResult
from sealock.core.build import Outcome
from sealock.core.errors import UsageError
from sealock.core.project import Project, owner_of, ssh_key_name
from sealock.core.release import Released
from sealock.core.sealed import Kind, Sealed, SealedName
from sealock.core.source import DirectorySource, GitAddress
from tests.support.checkout import commit, make_repository, memory
from tests.support.run import Course, local_checkout

pytestmark = pytest.mark.anyio

ID, OTHER = "0" * 32, "1" * 32
PLAN = """\
test:
  one:
    commands: ['printf %s "$TOKEN" | cksum']
    secrets: [TOKEN]
  two:
    commands: ['cksum < "$SEALOCK_SECRETS/conf"; printf %s "$TOKEN" | cksum']
    secrets: [TOKEN, conf]
"""


def project(identity: str) -> Project:
    key = Sealed(ssh_key_name(identity, "sample", 1), 1, "none", b"", 0.0)
    return Project(identity, "sample", GitAddress("git", "host", 22, "a"), ("k",), "p", key, 0.0)


class Lab:
    def __init__(self, root: Path, runtime: Path) -> None:
        self.source = DirectorySource(root / "sample", "main")
        self.course = Course(root, runtime, *local_checkout(runtime))
        self.vault = self.course.vault
        make_repository(self.source.path, {"sealock.yml": PLAN})

    async def build(self, earlier: str | None = None, owner: Project | None = None) -> RunResult:
        pinned = None if earlier is None else await versions_given(earlier, self.vault.leases)
        request = RunRequest(self.source, project=owner or project(ID), pinned=pinned)
        return await Runner(self.course.ports).run(request, self.course.events.append)

    def given(self, build: str) -> list[tuple[str, int]]:
        facts = [entry.fact for entry in self.vault.leases.entries if isinstance(entry.fact, Released)]
        return [(fact.name, fact.version) for fact in facts if fact.build == build]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with memory() as runtime:
        made = Lab(tmp_path, runtime)
        made.vault.put(ID, "TOKEN", b"the first")
        made.vault.put(ID, "conf", b"first conf", Kind.FILE)
        yield made


async def test_it_gets_the_versions_the_earlier_one_had(lab: Lab) -> None:
    first = await lab.build()
    said = lab.course.output
    lab.vault.put(ID, "TOKEN", b"the second")
    lab.vault.put(ID, "conf", b"second conf", Kind.FILE)
    newest = await lab.build()
    again = await lab.build(first.record.id)
    assert again.record.outcome is Outcome.GREEN
    assert lab.given(newest.record.id) == [("TOKEN", 2), ("TOKEN", 2), ("conf", 2)]
    assert lab.given(again.record.id) == [("TOKEN", 1), ("TOKEN", 1), ("conf", 1)]
    assert lab.course.output.endswith(said)
    of_the_rerun = await lab.build(again.record.id)
    assert lab.given(of_the_rerun.record.id) == lab.given(again.record.id)


async def test_a_version_destroyed_meanwhile_is_named(lab: Lab) -> None:
    first = await lab.build()
    lab.vault.put(ID, "TOKEN", b"the second")
    lab.vault.values.destroy(SealedName(*_owner(), Kind.VARIABLE, "TOKEN", 1))
    before = len(lab.course.machines.records)
    with pytest.raises(UsageError, match=f"version 1 of TOKEN, which build {first.record.id}") as told:
        await lab.build(first.record.id)
    assert "is destroyed" in told.value.brief
    assert "--secrets-of" in told.value.resolution
    assert len(lab.course.machines.records) == before


async def test_one_that_it_was_not_given_is_named(lab: Lab) -> None:
    lab.vault.put(ID, "NEW", b"new")
    first = await lab.build()
    commit(lab.source.path, {"sealock.yml": PLAN.replace("conf]", "conf, NEW]")})
    with pytest.raises(UsageError, match=f"`two` names the secret NEW, and build {first.record.id} was not"):
        await lab.build(first.record.id)


async def test_one_that_ended_before_a_step_was_not_given_that_steps(lab: Lab) -> None:
    commit(lab.source.path, {"sealock.yml": PLAN.replace("| cksum']", "| cksum; false']", 1)})
    failed = await lab.build()
    assert lab.given(failed.record.id) == [("TOKEN", 1)]
    with pytest.raises(UsageError, match="`two` names the secret conf"):
        await lab.build(failed.record.id)


async def test_a_build_of_another_project_is_refused(lab: Lab) -> None:
    lab.vault.put(OTHER, "TOKEN", b"theirs")
    lab.vault.put(OTHER, "conf", b"theirs", Kind.FILE)
    theirs = await lab.build(owner=project(OTHER))
    with pytest.raises(UsageError, match=f"build {theirs.record.id} was not one of sample"):
        await lab.build(theirs.record.id)
    pinned = await versions_given(theirs.record.id, lab.vault.leases)
    with pytest.raises(UsageError, match="belongs to no project"):
        await Runner(lab.course.ports).run(RunRequest(lab.source, pinned=pinned), lambda _: None)


@pytest.mark.parametrize("build", ["", "x", "f" * 32, "../../etc/passwd", "\x1b[2J"])
async def test_an_unknown_build_is_refused(build: str, lab: Lab) -> None:
    await lab.build()
    with pytest.raises(UsageError, match="there is no build") as told:
        await versions_given(build, lab.vault.leases)
    assert "\x1b" not in str(told.value)


async def test_of_several_attempts_the_latest_counts(lab: Lab) -> None:
    first = await lab.build()
    for entry in await lab.vault.leases.exposures(first.record.id):
        assert isinstance(entry.fact, Released)
        later = replace(entry, fact=replace(entry.fact, attempt=2, version=7))
        lab.vault.leases.entries.append(later)
    pinned = await versions_given(first.record.id, lab.vault.leases)
    assert {name: each.number for name, each in pinned.versions.items()} == {"TOKEN": 7, "conf": 7}


async def test_a_secret_that_became_a_file_is_given_as_it_was(lab: Lab) -> None:
    first = await lab.build()
    lab.vault.put(ID, "TOKEN", b"a file now", Kind.FILE)
    pinned = await versions_given(first.record.id, lab.vault.leases)
    assert pinned.versions["TOKEN"].kind is Kind.VARIABLE


def _owner() -> tuple[str, str | None]:
    owner = owner_of(ID)
    return owner.account, owner.project
