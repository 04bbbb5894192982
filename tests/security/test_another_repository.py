"""A website that was taken over has a worker build what nobody asked for, under a project's name: another
repository, or somebody else's commit that the project's Git server hands out as well. Its steps are the
attacker's and print what they are given. The worker, its fetch over SSH, the website's door, its database and
the keeper are real; each attack is seen to succeed with the one rule against it taken away."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from sealock.core.build import Outcome
from sealock.core.builds import BuildView
from sealock.core.lease import Refused
from sealock.core.project import Project
from sealock.core.release import Released
from sealock.core.scope import WITHOUT_ORIGIN, Scope, enclose
from sealock.core.sealed import LOCAL_ACCOUNT, Kind, Sealed
from sealock.core.secret import Secret
from sealock.core.source import GitAddress, GitOrigin
from sealock.keeper import rules, sealing
from sealock.keeper.peers import Peer, PeerRole
from sealock.machines.fake import FakeMachines
from sealock.store.database.projects import DatabaseProjects
from sealock.store.database.tables import projects
from tests.integration.test_worker_builds import ended
from tests.support.checkout import Bench, bench, commit, git, make_repository
from tests.support.keeper import ORIGIN, SSH_KEY, TOKEN, seal_value, terms
from tests.support.keeper_process import key_sets_of, running_keeper, seal_for
from tests.support.worker_site import Builder, WorkerSite, worker_site

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

CANARY = b"hunter22-hunter22"
WEBSITE = Peer("web", frozenset({PeerRole.RELAY, PeerRole.SCHEDULER}))
OURS = 'test:\n  unit:\n    secrets: [TOKEN]\n    commands: ["test -n \\"$TOKEN\\""]\n'
THEIRS = 'test:\n  unit:\n    secrets: [TOKEN]\n    commands: ["echo \\"$TOKEN\\" | rev"]\n'
Without = Callable[[str], None]
PROTECTED, ANY_BRANCH = Scope(), Scope(protected_only=False)
ANOTHER_REPOSITORY = "it is set for another repository: set it again if the project builds this one"
NOT_ON_IT = "it is for protected branches, and its worker did not find the commit on that one"


class Lab:
    """A project with a secret, its repository `sample.git`, and the attacker's `evil.git` beside it."""

    def __init__(self, made: Bench, site: WorkerSite, root: Path) -> None:
        self.made, self.site = made, site
        self.source, self.evil = root / "source", root / "evil"
        self.wanted = make_repository(self.source, {"sealock.yml": OURS})
        self.theirs = make_repository(self.evil, {"sealock.yml": THEIRS})
        made.publish("sample.git", self.source)
        made.publish("evil.git", self.evil)
        made.let_in()

    async def begin(self, scope: Scope = PROTECTED) -> Project:
        self.project = await self.site.add_project(self.made)
        self.secret = self.site.put_secret(self.project, "TOKEN", CANARY, scope)
        return self.project

    async def say_it_builds(self, address: str, sealed_key: Sealed | None = None) -> Project:
        """What the website tells workers of the project from now on."""
        moved = replace(self.project, address=self.made.project(address).address)
        wanted = update(projects).where(projects.c.id == moved.id).values(address_path=moved.address.path)
        async with self.site.database.write() as connection:
            await connection.execute(wanted)
        if sealed_key is not None:
            records = DatabaseProjects(self.site.database, LOCAL_ACCOUNT)
            await records.replace(replace(moved, sealed_key=sealed_key))
        return moved

    async def with_its_own_key(self) -> Project:
        """It has sealed a key that opens its own repository, as anybody can who has the public key."""
        key = self.project.sealed_key
        assert isinstance(key, Sealed)
        evil = self.made.project("evil.git").origin
        name = replace(key.name, version=key.version + 1)
        return await self.say_it_builds(
            "evil.git", self.site.keeper.seal(name, self.made.key.private, origin=evil)
        )

    async def build(self, wanted: str, branch: str = "main") -> BuildView:
        build = await self.site.push(self.project, wanted, branch)
        _, identity = await self.site.joined()
        async with Builder(self.made, FakeMachines(self.made.root)).working(self.site.url, identity):
            return await ended(self.site, build)

    def released(self) -> list[str]:
        facts = [entry.fact for entry in self.site.keeper.ledger.entries()]
        return [fact.name for fact in facts if isinstance(fact, Released) and fact.kind != Kind.SSH_KEY]

    def why(self) -> str:
        """What the keeper wrote down about what it refused last."""
        found = re.search(r"why='([^']*)'", self.site.keeper.log[-1])
        return found[1] if found else ""

    def stolen(self, view: BuildView) -> bool:
        return CANARY[::-1] in self.site.log_of(self.project, view.id)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        yield found


@pytest.fixture
async def lab(made: Bench, tmp_path: Path) -> AsyncIterator[Lab]:
    async with worker_site(tmp_path, WEBSITE) as site:
        yield Lab(made, site, tmp_path)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Without:
    """Takes a rule away."""

    def take_away(rule: str) -> None:
        assert rule in rules.SCOPE_CONDITIONS
        left = {why: holds for why, holds in rules.SCOPE_CONDITIONS.items() if why != rule}
        monkeypatch.setattr(rules, "SCOPE_CONDITIONS", left)

    return take_away


async def test_the_project_itself_is_given_it(lab: Lab) -> None:
    """Or nothing below would show anything."""
    await lab.begin()
    view = await lab.build(lab.wanted)
    assert (view.outcome, view.reason) == (Outcome.GREEN, "")
    assert lab.released() == ["TOKEN"]


@pytest.mark.parametrize("scope", [PROTECTED, ANY_BRANCH], ids=["protected", "any-branch"])
async def test_another_repository_under_its_name(lab: Lab, scope: Scope) -> None:
    await lab.begin(scope)
    await lab.with_its_own_key()
    view = await lab.build(lab.theirs)
    assert view.outcome is Outcome.ERROR
    assert "may not have every secret" in view.reason and "set it again" in view.reason
    assert (lab.released(), lab.why()) == ([], ANOTHER_REPOSITORY)


async def test_without_the_rule_another_repository_is_given_it(lab: Lab, without: Without) -> None:
    without(ANOTHER_REPOSITORY)
    await lab.begin()
    await lab.with_its_own_key()
    view = await lab.build(lab.theirs)
    assert view.outcome is Outcome.GREEN and lab.stolen(view)


async def test_another_repository_with_the_projects_own_key(lab: Lab) -> None:
    """Its host would see the key used; it is not even released."""
    await lab.begin()
    await lab.say_it_builds("evil.git")
    view = await lab.build(lab.theirs)
    assert view.outcome is not Outcome.GREEN
    assert lab.why() == ANOTHER_REPOSITORY
    assert not [1 for entry in lab.site.keeper.ledger.entries() if isinstance(entry.fact, Released)]


async def test_without_the_rule_another_repository_is_fetched_with_the_projects_own_key(
    lab: Lab, without: Without
) -> None:
    without(ANOTHER_REPOSITORY)
    await lab.begin()
    await lab.say_it_builds("evil.git")
    view = await lab.build(lab.theirs)
    assert view.outcome is Outcome.GREEN and lab.stolen(view)


async def of_a_fork(lab: Lab) -> str:
    """A commit that was never pushed to the repository: its server has it for a pull request, as the big
    ones do, and hands it out by its id."""
    server = lab.made.server.directory / "sample.git"
    git(server, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(lab.source, "checkout", "-q", "--detach")
    theirs = commit(lab.source, {"sealock.yml": THEIRS})
    git(lab.source, "push", "-q", str(server), f"{theirs}:refs/pull/1/head")
    return theirs


async def test_a_commit_of_a_fork_under_the_name_of_a_protected_branch(lab: Lab) -> None:
    await lab.begin()
    view = await lab.build(await of_a_fork(lab))
    assert view.outcome is Outcome.ERROR and "commits on protected branches" in view.reason
    assert (lab.released(), lab.why()) == ([], NOT_ON_IT)


async def test_without_the_rule_a_commit_of_a_fork_is_given_it(lab: Lab, without: Without) -> None:
    without(NOT_ON_IT)
    await lab.begin()
    view = await lab.build(await of_a_fork(lab))
    assert view.outcome is Outcome.GREEN and lab.stolen(view)


EVIL = GitOrigin(GitAddress("git", "git.example", 22, "attacker/evil.git"), ORIGIN.host_keys)


def tamperings(directory: Path, kept: Sealed) -> Iterator[Sealed]:
    """What somebody makes of a stored secret who has the store and every public key, and wants it opened for
    another repository: any bit turned, cut, under another name, for another key, or its head exchanged."""
    sets = key_sets_of(directory)
    for at in range(0, len(kept.data), 7):
        data = bytearray(kept.data)
        data[at] ^= 1 << at % 8
        yield replace(kept, data=bytes(data))
    yield replace(kept, data=kept.data[:-1])
    yield replace(kept, name=replace(kept.name, version=kept.version + 1))
    yield replace(kept, name=replace(kept.name, kind=Kind.SSH_KEY))
    yield replace(kept, name=replace(kept.name, kind=Kind.LOG_KEY))
    yield replace(kept, suite="none")
    own = seal_value(sets, kept.name, b"x" * len(CANARY), origin=EVIL)
    yield replace(kept, data=own.data[:48] + kept.data[48:])
    yield replace(kept, data=own.data[:-32] + kept.data[-32:])
    told = b'{"deployments_only":false,"pipelines":[],"protected_only":false}'
    old = Secret(WITHOUT_ORIGIN + len(told).to_bytes(4, "big") + told + b"\0" + CANARY)
    yield sealing.seal(kept.name, old, sets.public_key(kept.name.owner))
    yield sealing.seal(kept.name, Secret(CANARY), sets.public_key(kept.name.owner))
    yield sealing.seal(kept.name, enclose(ANY_BRANCH, Secret(CANARY)), sets.public_key(kept.name.owner))


async def test_whatever_is_made_of_a_stored_secret_a_keepers_process_opens_it_for_no_other_repository(
    tmp_path: Path,
) -> None:
    with running_keeper(tmp_path) as keeper:
        asked = keeper.client()
        async with asked.lease(terms("first")):
            pass  # the keeper has its keys by now
        token, key = seal_for(tmp_path, TOKEN, CANARY), seal_for(tmp_path, SSH_KEY, b"key")
        async with asked.lease(replace(terms("ours"), origin=ORIGIN)) as ours:
            assert (await ours.open(key)).reveal() == b"key"
            assert (await ours.open(token, step="test:unit")).reveal() == CANARY
        async with asked.lease(replace(terms("theirs"), origin=EVIL)) as theirs:
            for sealed, step in [
                (key, ""),
                *((each, "test:unit") for each in (token, *tamperings(tmp_path, token))),
            ]:
                with pytest.raises(Refused):
                    await theirs.open(sealed, step=step)
        released = [entry.fact for entry in await asked.exposures("theirs")]
    assert released == []
    log = keeper.log
    assert log.count(ANOTHER_REPOSITORY) == 3
    assert "set it again" in log and CANARY.decode() not in log
