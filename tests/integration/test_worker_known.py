"""A worker and a keeper that does not know it: builds wait until an operator has said who it is. The website
carries and schedules, and is no operator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sealock.core.build import Outcome
from sealock.core.build_state import BuildState
from sealock.core.release import LeaseIssued
from sealock.keeper import protocol
from sealock.keeper.peers import Peer, PeerRole
from sealock.keeper.signing import public_half
from sealock.keeper.worker_messages import RemoveWorker
from sealock.link import worker as worker_module
from sealock.machines.fake import FakeMachines
from tests.integration.test_worker_builds import GREEN, ended, publish, until
from tests.support.checkout import Bench, bench
from tests.support.keeper import BUILDER, EVERYTHING
from tests.support.worker_site import Builder, WorkerSite, worker_site

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

WEBSITE = Peer("web", frozenset({PeerRole.RELAY, PeerRole.SCHEDULER}))
KEY = public_half(BUILDER)
ADMIT = f"sealock keeper workers admit builder {KEY.hex()}"


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "LOOK_IF_KNOWN", 0.2)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        yield found


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[WorkerSite]:
    async with worker_site(tmp_path, WEBSITE, admitted=False) as found:
        yield found


async def says(builder: Builder, what: str) -> bool:
    return any(what in line for line in builder.said)


async def test_builds_wait_until_the_keeper_knows_the_worker(
    made: Bench, site: WorkerSite, tmp_path: Path
) -> None:
    build = await site.push(await site.add_project(made), publish(made, tmp_path, GREEN))
    row, identity = await site.joined()
    builder = Builder(made, FakeMachines(made.root))

    async def shown(known: bool) -> bool:
        found = await site.workers.named(row.name)
        return found is not None and (found.key, found.known) == (KEY, known)

    async with builder.working(site.url, identity):
        await until(lambda: says(builder, ADMIT))
        assert KEY.hex() in next(line for line in builder.said if line.startswith("waiting: "))
        assert await shown(False)
        assert (await site.build(build)).state is BuildState.QUEUED
        site.keeper.admit()
        assert (await ended(site, build)).outcome is Outcome.GREEN, builder.said
        assert await shown(True)
    leases = [entry.fact for entry in site.keeper.ledger.entries() if isinstance(entry.fact, LeaseIssued)]
    assert {(fact.worker, fact.by) for fact in leases} == {("builder", "web")}


async def test_a_worker_that_was_removed_at_the_keeper_fails_a_build_and_waits(
    made: Bench, site: WorkerSite, tmp_path: Path
) -> None:
    project, wanted = await site.add_project(made), publish(made, tmp_path, GREEN)
    _, identity = await site.joined()
    builder = Builder(made, FakeMachines(made.root))
    site.keeper.admit()

    async with builder.working(site.url, identity, machines=1):
        await ended(site, await site.push(project, wanted))
        assert not await says(builder, "waiting: ")
        gone = site.keeper.desk.answer(EVERYTHING, RemoveWorker(name="builder"))
        assert isinstance(gone, protocol.Done)
        build = await site.push(project, wanted)
        await until(lambda: says(builder, "waiting: "))
        assert (await site.build(build)).state is BuildState.QUEUED
        site.keeper.admit()
        view = await ended(site, build)
    assert (view.outcome, view.attempt) == (Outcome.GREEN, 2), builder.said


async def test_a_website_that_is_an_operator_admits_who_joins(tmp_path: Path, made: Bench) -> None:
    async with worker_site(tmp_path, admitted=False) as site:
        build = await site.push(await site.add_project(made), publish(made, tmp_path, GREEN))
        _, identity = await site.joined()
        builder = Builder(made, FakeMachines(made.root))
        async with builder.working(site.url, identity):
            assert (await ended(site, build)).outcome is Outcome.GREEN, builder.said
        assert not await says(builder, "waiting: ")
