"""A queued build through a worker: door, database, keeper, Git over SSH, log and receipt are real; only the
machine is a fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, StepState
from sealock.core.builds import BuildView
from sealock.core.project_settings import ProjectSettings
from sealock.core.queue import Supersede
from sealock.core.sealed import LOCAL_ACCOUNT
from sealock.machines.fake import FakeMachines
from sealock.store.database.engine import open_database
from sealock.store.database.migrations.run import upgrade
from tests.support.checkout import Bench, bench, commit, git, make_repository
from tests.support.worker_site import Builder, WorkerSite, worker_site

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

GREEN = "setup:\n  - echo set up\ntest:\n  unit:\n    - cat hello\n    - git log -1 --format=%H\n"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        yield found


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[WorkerSite]:
    async with open_database(f"sqlite:///{tmp_path}/server.db") as database:
        await upgrade(database)
        async with worker_site(tmp_path, database) as found:
            yield found


def publish(made: Bench, root: Path, text: str) -> str:
    found = make_repository(root / "source", {"sealock.yml": text, "hello": "hello\n"})
    made.publish("sample.git", root / "source")
    return found


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - what is waited for is in a database
            await asyncio.sleep(0.05)


async def ended(site: WorkerSite, build: str) -> BuildView:
    async def is_over() -> bool:
        return (await site.build(build)).state is BuildState.ENDED

    await until(is_over)
    return await site.build(build)


async def test_a_queued_build_goes_all_the_way(made: Bench, site: WorkerSite, tmp_path: Path) -> None:
    wanted = publish(made, tmp_path, GREEN)
    project = await site.add_project(made)
    build = await site.push(project, wanted)
    _, identity = await site.joined()
    builder = Builder(made, FakeMachines(made.root))
    async with builder.working(site.url, identity):
        view = await ended(site, build)
    assert (view.outcome, view.reason, view.attempt) == (Outcome.GREEN, "", 1), builder.said
    assert [(step.name, step.state, step.exit_code) for step in view.steps] == [
        ("setup", StepState.PASSED, 0),
        ("unit", StepState.PASSED, 0),
    ]
    assert [phase.name for phase in view.phases] == ["machine", "fetch", "setup", "test:unit", "end"]
    assert all(phase.ok for phase in view.phases)
    assert [step.first_line for step in view.steps] == [1, 2]
    assert view.commit == wanted
    receipt = await site.builds.receipt(LOCAL_ACCOUNT, build)
    assert receipt is not None
    assert site.verifier.verify(receipt).authentic
    assert site.log_of(project, build) == b"set up\nhello\n" + wanted.encode() + b"\n"
    assert not list(made.runtime.glob("joblog-*"))
    assert not site.refused


async def test_the_commit_that_was_pushed_is_built_and_not_the_branchs_newest(
    made: Bench, site: WorkerSite, tmp_path: Path
) -> None:
    wanted = publish(made, tmp_path, GREEN)
    newer = commit(tmp_path / "source", {"hello": "newer\n"})
    git(tmp_path / "source", "push", "-q", str(made.server.directory / "sample.git"), "HEAD")
    project = await site.add_project(made, ProjectSettings(supersede=Supersede.NOTHING))
    build, open_one = await site.push(project, wanted), await site.push(project, None, "main")
    _, identity = await site.joined()
    async with Builder(made, FakeMachines(made.root)).working(site.url, identity):
        first, second = await ended(site, build), await ended(site, open_one)
    assert (first.outcome, first.commit) == (Outcome.GREEN, wanted)
    assert (second.outcome, second.commit) == (Outcome.GREEN, newer)
