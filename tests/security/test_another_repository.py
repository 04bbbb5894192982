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

from sealock.builds.request import Known
from sealock.builds.worker_wire import Job
from sealock.core.build import Outcome
from sealock.core.builds import BuildView
from sealock.core.lease import Refused
from sealock.core.project import Project
from sealock.core.queue import Claim
from sealock.core.release import Released
from sealock.core.scope import WITHOUT_ORIGIN, Scope, enclose
from sealock.core.sealed import LOCAL_ACCOUNT, Kind, Sealed
from sealock.core.secret import Secret
from sealock.core.source import GitAddress, GitOrigin
from sealock.keeper import rules, sealing
from sealock.keeper.peers import Peer, PeerRole
from sealock.link import running
from sealock.machines.fake import FakeMachines
from sealock.store.database.projects import DatabaseProjects
from sealock.store.database.tables import projects
from sealock.web import worker_api
from sealock.web.worker_ports import WorkerPorts
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
        return await self.work(await self.site.push(self.project, wanted, branch))

    async def work(self, build: str) -> BuildView:
        """What a worker makes of it."""
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


async def of_a_fork(lab: Lab, files: dict[str, str] | None = None) -> str:
    """A commit that was never pushed to the repository: its server has it for a pull request, as the big
    ones do, and hands it out by its id."""
    server = lab.made.server.directory / "sample.git"
    git(server, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(lab.source, "checkout", "-q", "--detach")
    theirs = commit(lab.source, files or {"sealock.yml": THEIRS})
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


async def under_another_name(lab: Lab, patch: pytest.MonkeyPatch, **told: object) -> BuildView:
    """A build of the project's own `main`, whose steps do what many do: they make a command of what the build
    is called. told: what the worker is told otherwise than the keeper."""
    await lab.begin()
    plan = 'test:\n  unit:\n    secrets: [TOKEN]\n    commands: ["sh -c \\"echo deploy $SEALOCK_REF\\""]\n'
    wanted = commit(lab.source, {"sealock.yml": plan})
    git(lab.source, "push", "-q", str(lab.made.server.directory / "sample.git"), "main")
    honest = worker_api._job

    async def lying(ports: WorkerPorts, claim: Claim) -> Job | None:
        job = await honest(ports, claim)
        return job and job.model_copy(update=told)

    patch.setattr(worker_api, "_job", lying)
    return await lab.work(await lab.site.push(lab.project, wanted))


LIES = {
    "no-name": {"ref": "main; echo $TOKEN | rev"},
    "a-name": {"ref": "main;env|rev"},
    "unprotected": {"ref": "main;env|rev", "protected": False, "commit": None},
}


@pytest.mark.parametrize("told", LIES.values(), ids=LIES)
async def test_its_own_commit_under_a_name_that_is_a_command(
    lab: Lab, told: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    view = await under_another_name(lab, monkeypatch, **told)
    assert view.outcome is Outcome.ERROR
    assert lab.released() == []


@pytest.mark.parametrize("told", list(LIES.values())[1:], ids=list(LIES)[1:])
async def test_without_the_rule_a_name_that_is_a_command_is_run(
    lab: Lab, told: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "known_of", lambda job, _: Known(job.run, job.ref, job.branch))
    view = await under_another_name(lab, monkeypatch, **told)
    assert lab.released() == ["TOKEN"] and lab.stolen(view)


async def test_a_commit_of_a_fork_has_the_key_fetch_what_lies_beside_its_repository(lab: Lab) -> None:
    """This one succeeds, and is on the keeper's page among what is left: a key that reads more than its
    repository is used for any commit, so let deploy keys read one repository each."""
    private = lab.site.root / "private"
    wanted = make_repository(private, {"code": "not for strangers\n"})
    lab.made.publish("private.git", private)
    await lab.begin()
    theirs = 'test:\n  unit: ["rev lib/code"]\n'
    named = '[submodule "lib"]\n\tpath = lib\n\turl = ../private.git\n'
    git(lab.source, "update-index", "--add", "--cacheinfo", f"160000,{wanted},lib")
    (lab.source / "lib").mkdir()
    view = await lab.build(await of_a_fork(lab, {"sealock.yml": theirs, ".gitmodules": named}))
    assert view.outcome is Outcome.GREEN
    assert b"sregnarts rof ton" in lab.site.log_of(lab.project, view.id)
    assert lab.released() == []


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
