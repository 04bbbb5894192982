"""A queued build through a worker: door, database, keeper, Git over SSH, log and receipt are real; only the
machine is a fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, StepState
from sealock.core.builds import BuildView
from sealock.core.machine import MachineState
from sealock.core.project_settings import ProjectSettings
from sealock.core.queue import Supersede
from sealock.core.scope import Scope
from sealock.core.sealed import LOCAL_ACCOUNT
from sealock.link import running as running_module
from sealock.link.errors import NotKnown
from sealock.link.website import Website
from sealock.link.worker import Offer, Worker
from sealock.machines.fake import FakeMachines, Faults
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
    async with worker_site(tmp_path) as found:
        yield found


def publish(made: Bench, root: Path, text: str) -> str:
    found = make_repository(root / "source", {"sealock.yml": text, "hello": "hello\n"})
    made.publish("sample.git", root / "source")
    return found


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 120.0) -> None:
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


SECRET = """\
test:
  unit:
    secrets: [TOKEN]
    commands:
      - test "$TOKEN" = hunter22-hunter22 && echo "it is $TOKEN"
"""


async def test_a_secret_reaches_the_step_that_names_it_and_no_log(
    made: Bench, site: WorkerSite, tmp_path: Path
) -> None:
    wanted = publish(made, tmp_path, SECRET)
    project = await site.add_project(made)
    site.put_secret(project, "TOKEN", b"hunter22-hunter22", Scope(protected_only=True))
    build = await site.push(project, wanted)
    _, identity = await site.joined()
    async with Builder(made, FakeMachines(made.root)).working(site.url, identity):
        view = await ended(site, build)
    assert (view.outcome, view.reason) == (Outcome.GREEN, "")
    assert site.log_of(project, build) == b"it is ***\n"


async def test_a_branch_that_is_not_protected_gets_no_protected_secret(
    made: Bench, site: WorkerSite, tmp_path: Path
) -> None:
    wanted = publish(made, tmp_path, SECRET)
    project = await site.add_project(made)
    site.put_secret(project, "TOKEN", b"hunter22-hunter22", Scope(protected_only=True))
    build = await site.push(project, wanted, protected=False)
    _, identity = await site.joined()
    async with Builder(made, FakeMachines(made.root)).working(site.url, identity):
        view = await ended(site, build)
    assert view.outcome is Outcome.ERROR
    assert "may not have every secret" in view.reason


@dataclass(frozen=True)
class Bad:
    """A configuration, and how its build comes out."""

    text: str
    outcome: Outcome
    reason: str
    states: tuple[StepState, ...]


RED = Bad(
    "test:\n  unit:\n    - exit 3\n  slow:\n    - echo never\n",
    Outcome.RED,
    "`exit 3` ended with exit code 3",
    (StepState.FAILED, StepState.SKIPPED),
)


@pytest.mark.parametrize("bad", [RED, Bad("test: [", Outcome.ERROR, "sealock.yml:1:", ())])
async def test_a_build_that_is_not_green_says_why(
    made: Bench, site: WorkerSite, tmp_path: Path, bad: Bad
) -> None:
    project = await site.add_project(made)
    build = await site.push(project, publish(made, tmp_path, bad.text))
    _, identity = await site.joined()
    async with Builder(made, FakeMachines(made.root)).working(site.url, identity):
        view = await ended(site, build)
    assert (view.outcome, view.attempt) == (bad.outcome, 1)
    assert view.reason.startswith(bad.reason)
    assert tuple(step.state for step in view.steps) == bad.states
    assert await site.builds.receipt(LOCAL_ACCOUNT, build)


async def running(site: WorkerSite, build: str, step: str = "unit") -> None:
    """Return once that step runs."""

    async def runs() -> bool:
        steps = (await site.build(build)).steps
        return any(each.name == step and each.state is StepState.RUNNING for each in steps)

    await until(runs)


LONG = "test:\n  unit:\n    - echo begins; sleep 60\n"


async def test_a_cancelled_build_ends_at_once_with_its_machine_gone(
    made: Bench, site: WorkerSite, tmp_path: Path
) -> None:
    project = await site.add_project(made)
    build = await site.push(project, publish(made, tmp_path, LONG))
    _, identity = await site.joined()
    machines = FakeMachines(made.root)
    async with Builder(made, machines).working(site.url, identity):
        await running(site, build)
        await site.queue.cancel(build, "changed my mind")
        async with asyncio.timeout(40):
            view = await ended(site, build)
    assert (view.outcome, view.steps[0].state) == (Outcome.CANCELLED, StepState.STOPPED)
    assert machines.records[0].state is MachineState.GONE
    receipt = await site.builds.receipt(LOCAL_ACCOUNT, build)
    assert receipt is not None and site.verifier.verify(receipt).authentic
    assert site.log_of(project, build) == b"begins\n"


async def test_what_a_lost_build_did_is_not_uploaded_or_signed(
    made: Bench, site: WorkerSite, tmp_path: Path
) -> None:
    project = await site.add_project(made)
    build = await site.push(project, publish(made, tmp_path, LONG))
    row, identity = await site.joined()
    machines = FakeMachines(made.root)
    builder = Builder(made, machines)
    async with Website(site.url, identity.tls()) as website:
        worker = Worker(website, identity, builder.ports(), Offer("1", 1), builder.said.append)
        working = asyncio.create_task(worker.run())
        await running(site, build)
        await site.workers.revoke(row.id)
        with pytest.raises(NotKnown):
            await asyncio.wait_for(working, 60)
    assert machines.records[0].state is MachineState.GONE
    assert builder.said[-1].endswith(": lost")
    assert await site.builds.receipt(LOCAL_ACCOUNT, build) is None
    assert (await site.build(build)).outcome is None


async def test_a_machine_that_is_lost_is_tried_once_more_in_a_new_one(
    made: Bench, site: WorkerSite, tmp_path: Path
) -> None:
    project = await site.add_project(made)
    build = await site.push(project, publish(made, tmp_path, GREEN))
    _, identity = await site.joined()
    machines = FakeMachines(made.root, Faults(never_ready=True))
    async with Builder(made, machines).working(site.url, identity):
        view = await ended(site, build)
    assert (view.outcome, view.attempt) == (Outcome.ERROR, 2)
    assert "did not come up" in view.reason
    assert len(machines.records) == 2


async def test_a_worker_that_is_told_to_stop_finishes_what_it_has_and_takes_nothing_new(
    made: Bench, site: WorkerSite, tmp_path: Path
) -> None:
    project = await site.add_project(made, ProjectSettings(supersede=Supersede.NOTHING))
    commit_id = publish(made, tmp_path, "test:\n  unit:\n    - sleep 2\n")
    build = await site.push(project, commit_id)
    _, identity = await site.joined()
    builder = Builder(made, FakeMachines(made.root))
    async with Website(site.url, identity.tls()) as website:
        worker = Worker(website, identity, builder.ports(), Offer("1", 2), builder.said.append)
        working = asyncio.create_task(worker.run())
        await running(site, build)
        worker.stop()
        await asyncio.sleep(0.5)
        late = await site.push(project, commit_id)
        await asyncio.wait_for(working, 60)
    assert (await site.build(build)).outcome is Outcome.GREEN
    assert (await site.build(late)).state is BuildState.QUEUED


async def test_a_worker_that_is_told_twice_gives_back_what_it_has(
    made: Bench, site: WorkerSite, tmp_path: Path
) -> None:
    project = await site.add_project(made)
    build = await site.push(project, publish(made, tmp_path, LONG))
    _, identity = await site.joined()
    machines = FakeMachines(made.root)
    async with Builder(made, machines).working(site.url, identity):
        await running(site, build)
    view = await site.build(build)
    assert (view.state, view.outcome) == (BuildState.QUEUED, None)
    assert machines.records[0].state is MachineState.GONE


async def test_one_that_is_told_twice_does_not_wait_for_a_website_that_is_away(
    made: Bench, site: WorkerSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when all of a server was killed: its builds are tried again when their leases end."""
    monkeypatch.setattr(running_module, "GIVING_BACK", 1.0)
    build = await site.push(await site.add_project(made), publish(made, tmp_path, LONG))
    _, identity = await site.joined()
    machines = FakeMachines(made.root)
    async with Builder(made, machines).working(site.url, identity):
        await running(site, build)
        await site.stop()
    assert machines.records[0].state is MachineState.GONE
    assert (await site.build(build)).state is BuildState.RUNNING


async def test_a_build_goes_on_while_the_website_is_restarted(
    made: Bench, site: WorkerSite, tmp_path: Path
) -> None:
    lines = "for i in $(seq 40); do echo line $i; sleep 0.1; done"
    project = await site.add_project(made)
    build = await site.push(project, publish(made, tmp_path, f"test:\n  unit:\n    - {lines}\n"))
    _, identity = await site.joined()
    async with Builder(made, FakeMachines(made.root)).working(site.url, identity):
        await running(site, build)
        await site.stop()
        await asyncio.sleep(1)
        await site.start()
        view = await ended(site, build)
    assert (view.outcome, view.attempt) == (Outcome.GREEN, 1)
    assert site.log_of(project, build) == b"".join(b"line %d\n" % number for number in range(1, 41))


async def test_what_a_build_needs_of_a_website_that_is_away_it_waits_for(
    made: Bench, site: WorkerSite, tmp_path: Path
) -> None:
    """The secret of its next step, and the keeper that opens it: neither was asked yet."""
    begun, go = tmp_path / "begun", tmp_path / "go"
    wait = f"touch {begun}; while [ ! -e {go} ]; do sleep 0.05; done"
    later = "commands: ['echo \"it is ${#TOKEN} long\"']\n    secrets: [TOKEN]"
    plan = f"test:\n  unit:\n    - {wait}\n  later:\n    {later}\n"
    project = await site.add_project(made)
    site.put_secret(project, "TOKEN", b"hunter22-hunter22")
    build = await site.push(project, publish(made, tmp_path, plan))
    _, identity = await site.joined()
    builder = Builder(made, FakeMachines(made.root))

    async def has_begun() -> bool:
        return begun.exists()

    async with builder.working(site.url, identity):
        await until(has_begun)
        await site.stop()
        go.touch()
        await asyncio.sleep(1.5)
        assert (await site.build(build)).state is BuildState.RUNNING
        await site.start()
        view = await ended(site, build)
    assert (view.outcome, view.reason, view.attempt) == (Outcome.GREEN, "", 1), builder.said
    assert b"it is 17 long" in site.log_of(project, build)
