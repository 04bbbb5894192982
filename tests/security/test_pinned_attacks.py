"""Naming an earlier build must give no right: a real keeper still decides by what asks now.

An attacker here can push branches and change `sealock.yml`, and gets somebody to build it with
`--secrets-of` a build that had everything.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.builds.pinned import Pinned, Version, versions_given
from sealock.builds.request import RunRequest
from sealock.builds.run import Runner, RunResult
from sealock.core.build import Outcome
from sealock.core.errors import PermanentError, UsageError
from sealock.core.project import Project, owner_of, ssh_key_name
from sealock.core.release import Released
from sealock.core.scope import Scope
from sealock.core.sealed import Kind, Sealed, SealedName
from sealock.core.source import DirectorySource, GitAddress
from sealock.keeper import conditions, rules
from sealock.keeper.client import KeeperClient
from sealock.keeper.peers import Peers
from sealock.ledger.releases import ReleaseReader
from tests.support.checkout import commit, git, make_repository, memory
from tests.support.keeper import EVERYTHING, KeeperFixture, client, serving
from tests.support.run import Course, local_checkout

pytestmark = pytest.mark.anyio

ID, OTHER = "0" * 32, "1" * 32
CANARY = b"canary-of-version-one"
PLAN = """\
test:
  unit:
    commands: ['printf %s "$TOKEN" | rev']
    secrets: [TOKEN]
"""


def project(identity: str = ID) -> Project:
    key = Sealed(ssh_key_name(identity, "shop", 1), 1, "none", b"", 0.0)
    return Project(identity, "shop", GitAddress("git", "host", 22, "a"), ("k",), "p", key, 0.0)


class Lab:
    """Builds with a real keeper. A secret is printed backwards, which no mask knows."""

    def __init__(self, root: Path, runtime: Path, keeper: KeeperFixture, asked: KeeperClient) -> None:
        self.root, self.keeper, self.asked = root, keeper, asked
        self.source = DirectorySource(root / "sample", "main")
        make_repository(self.source.path, {"sealock.yml": PLAN})
        self.course = Course(root, runtime, *local_checkout(runtime))
        self.values = self.course.vault.values
        secrets = replace(self.course.vault.ports(), leases=asked)
        self.course.ports = replace(self.course.ports, secrets=secrets)

    def put(self, value: bytes, scope: Scope, identity: str = ID) -> SealedName:
        owner = owner_of(identity)
        version = self.values.next_version(owner, Kind.VARIABLE, "TOKEN")
        name = SealedName(owner.account, owner.project, Kind.VARIABLE, "TOKEN", version)
        self.values.put(self.keeper.seal(name, value, replace(scope, directories=True)))
        return name

    async def build(
        self, source: DirectorySource | None = None, pinned: Pinned | None = None, identity: str = ID
    ) -> RunResult:
        request = RunRequest(source or self.source, project=project(identity), pinned=pinned)
        return await Runner(self.course.ports).run(request, self.course.events.append)

    async def build_and_pin(self) -> Pinned:
        """What a build of the protected branch was given, after which a newer version is set."""
        first = await self.build()
        assert first.record.outcome is Outcome.GREEN, first.record.reason
        assert self.leaked()
        self.course.events.clear()
        self.put(b"the newer one", Scope())
        return await versions_given(first.record.id, self.asked)

    def leaked(self) -> bool:
        return CANARY[::-1].decode() in self.course.output

    async def given(self, result: RunResult) -> list[int]:
        facts = [entry.fact for entry in await self.asked.exposures(result.record.id)]
        return [fact.version for fact in facts if isinstance(fact, Released)]


@asynccontextmanager
async def laboratory(root: Path) -> AsyncIterator[Lab]:
    keeper = KeeperFixture(root / "keeper")
    with memory() as runtime:
        peers = Peers(by_user={os.geteuid(): EVERYTHING})
        async with serving(keeper, runtime / "keeper.sock", peers):
            yield Lab(root, runtime, keeper, client(runtime / "keeper.sock", os.geteuid()))
    keeper.stop()


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with laboratory(tmp_path) as made:
        yield made


async def test_the_protected_branch_gets_the_old_version(lab: Lab) -> None:
    """What is attacked below does open where it may."""
    lab.put(CANARY, Scope())
    again = await lab.build(pinned=await lab.build_and_pin())
    assert again.record.outcome is Outcome.GREEN
    assert lab.leaked()
    assert await lab.given(again) == [1]


async def refused(lab: Lab, result: RunResult) -> bool:
    return (
        result.record.outcome is Outcome.ERROR
        and "may not have every secret it names" in result.record.reason
        and not lab.leaked()
        and await lab.given(result) == []
    )


async def test_a_topic_branch_does_not_get_what_the_protected_one_had(lab: Lab) -> None:
    lab.put(CANARY, Scope())
    pinned = await lab.build_and_pin()
    git(lab.source.path, "branch", "topic")
    assert await refused(lab, await lab.build(DirectorySource(lab.source.path, "topic"), pinned))


async def test_neither_does_a_working_tree_or_a_bare_commit(lab: Lab) -> None:
    lab.put(CANARY, Scope())
    pinned = await lab.build_and_pin()
    assert await refused(lab, await lab.build(DirectorySource(lab.source.path, working_tree=True), pinned))
    tip = git(lab.source.path, "rev-parse", "main").strip()
    assert await refused(lab, await lab.build(DirectorySource(lab.source.path, tip), pinned))


async def test_another_pipeline_does_not_get_what_one_had(lab: Lab) -> None:
    lab.put(CANARY, Scope(pipelines=("unit",)))
    pinned = await lab.build_and_pin()
    commit(lab.source.path, {"sealock.yml": PLAN.replace("unit:", "mine:")})
    assert await refused(lab, await lab.build(pinned=pinned))


async def test_another_projects_version_is_out_of_reach_of_made_up_pins(lab: Lab) -> None:
    """Even pins that say they are this project's cannot name another's: they have no room for an owner."""
    lab.put(CANARY, Scope(protected_only=False), OTHER)
    lab.put(b"ours", Scope(protected_only=False))
    theirs = await lab.build(identity=OTHER)
    lab.course.events.clear()
    pinned = await versions_given(theirs.record.id, lab.asked)
    with pytest.raises(UsageError, match="was not one of shop"):
        await lab.build(pinned=pinned)
    result = await lab.build(pinned=replace(pinned, projects=frozenset({ID})))
    assert result.record.outcome is Outcome.GREEN
    assert not lab.leaked()


async def test_a_sealed_version_moved_to_this_project_does_not_open(lab: Lab) -> None:
    """Whoever can write to the store puts another project's ciphertext where a pin would find it."""
    theirs = lab.values.get(owner_of(OTHER), Kind.VARIABLE, "TOKEN", lab.put(CANARY, Scope(), OTHER).version)
    ours = lab.put(b"ours", Scope())
    assert theirs is not None
    lab.values.destroy(ours)
    newer = replace(ours, version=2)
    lab.values.put(replace(theirs, name=newer))
    result = await lab.build(pinned=Pinned("f" * 32, frozenset({ID}), {"TOKEN": Version(Kind.VARIABLE, 2)}))
    assert await refused(lab, result)


async def test_a_destroyed_version_does_not_come_back(lab: Lab) -> None:
    first = lab.put(CANARY, Scope())
    pinned = await lab.build_and_pin()
    lab.values.destroy(first)
    with pytest.raises(UsageError, match="is destroyed"):
        await lab.build(pinned=pinned)
    assert not lab.leaked()


async def test_an_altered_ledger_pins_nothing(lab: Lab) -> None:
    lab.put(CANARY, Scope())
    pinned = await lab.build_and_pin()
    path = lab.keeper.ledger.path
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":2', 1))
    with pytest.raises(PermanentError):
        await versions_given(pinned.build, ReleaseReader(path.parent))


async def test_without_the_barrier_the_attack_succeeds(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above attack something: take the rule about branches away, and the secret is out."""
    lab.put(CANARY, Scope())
    pinned = await lab.build_and_pin()
    (protected,) = (
        why for why, holds in rules.SCOPE_CONDITIONS.items() if holds is conditions.protected_enough
    )
    monkeypatch.setitem(rules.SCOPE_CONDITIONS, protected, lambda *_: True)
    git(lab.source.path, "branch", "topic")
    await lab.build(DirectorySource(lab.source.path, "topic"), pinned)
    assert lab.leaked()
