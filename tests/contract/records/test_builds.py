"""Builds as the server keeps them: made, claimed, told of, ended."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import Table, event, func, select
from sqlalchemy.exc import DBAPIError

from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, StepState, Trigger
from sealock.core.builds import BuildFilter, Ended, NewBuild, account_topic, build_topic, run_id
from sealock.core.errors import UsageError
from sealock.core.queue import Fence, QueueState, Supersede
from sealock.store.database.kept_tables import receipts
from sealock.store.database.tables import builds, steps
from sealock.store.queue.tables import queue_builds
from tests.support.queue import pass_time
from tests.support.records import COMMIT, OTHER, Records, progress

pytestmark = pytest.mark.anyio
ALL = BuildFilter(limit=100)
RUNS = progress(StepState.PASSED, StepState.RUNNING)


async def count(records: Records, table: Table) -> int:
    async with records.database.read() as connection:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


async def test_a_build_goes_from_the_queue_to_its_receipt(records: Records) -> None:
    build = await records.make(message="Add tea\0", author="Ada", pipelines=("unit",), protected=True)
    queued = await records.build(build)
    assert (queued.number, queued.state, queued.attempt, queued.run) == (1, BuildState.QUEUED, 0, None)
    assert (queued.trigger, queued.branch, queued.ref) == (Trigger.PUSH, "main", "refs/heads/main")
    assert (queued.pipelines, queued.protected, queued.project_name) == (("unit",), True, "shop")
    assert queued.message == "Add tea\N{REPLACEMENT CHARACTER}"
    assert queued.waiting and (queued.waiting.position, queued.waiting.of) == (1, 1)

    fence = await records.claim()
    work = await records.builds.work(fence)
    assert work and work.build.id == build and work.project.name == "shop"
    assert await records.builds.progress(fence, RUNS)
    running = await records.build(build)
    assert (running.state, running.attempt, running.worker, running.run) == ("running", 1, "w", build)
    assert (running.steps, running.phases, running.commit) == (RUNS.steps, RUNS.phases, COMMIT)
    assert (running.message, running.author, running.waiting) == ("Add tea", "Ada", None)

    assert await records.builds.end(fence, Ended(Outcome.RED, "unit failed", b"signed", "key"))
    ended = await records.build(build)
    assert (ended.state, ended.outcome, ended.reason) == (BuildState.ENDED, Outcome.RED, "unit failed")
    assert ended.steps[1].state is StepState.STOPPED, "what never ended is not said to go on"
    assert await records.builds.receipt(records.account, build) == b"signed"
    assert await records.builds.numbered(records.account, "shop", 1) == ended


async def test_a_delivery_makes_one_build_of_each_project(records: Records) -> None:
    await records.around.project("till", records.account)
    new = NewBuild("shop", Trigger.PUSH, "refs/heads/main", "main", delivery="push:d1")
    made = await asyncio.gather(*(records.builds.create(records.account, new, False) for _ in range(5)))
    assert len({each.build for each in made}) == 1
    assert sorted(each.new for each in made) == [False] * 4 + [True]
    other = await records.builds.create(records.account, replace(new, project="till"), False)
    assert other.new and other.build != made[0].build
    assert (await records.build(await records.make(delivery=""))).number == 2, "no number was lost"


async def test_builds_made_at_once_have_a_number_each(records: Records) -> None:
    made = await asyncio.gather(*(records.make(f"b{number}") for number in range(20)))
    page = await records.builds.page(records.account, ALL)
    assert [view.number for view in page] == list(range(20, 0, -1))
    assert {view.id for view in page} == set(made)
    await records.around.check()


async def test_what_the_queue_refuses_is_not_kept(records: Records) -> None:
    await records.projects().change_settings("shop", lambda old: replace(old, labels=("No Label",)))
    with pytest.raises(UsageError, match="is no label"):
        await records.make()
    assert await count(records, builds) == 0
    await records.projects().change_settings("shop", lambda old: replace(old, labels=()))
    assert (await records.build(await records.make())).number == 1


async def test_newer_commits_replace_what_waits_and_repeats_replace_nothing(records: Records) -> None:
    old, other = await records.make(), await records.make("feature")
    new = NewBuild("shop", Trigger.PUSH, "refs/heads/main", "main")
    created = await records.builds.create(records.account, new, False)
    assert created.superseded == (old,)
    assert (await records.build(old)).status == "cancelled"
    for trigger, pipelines in ((Trigger.RESTART, ()), (Trigger.PERSON, ("unit",))):
        again = replace(new, trigger=trigger, pipelines=pipelines)
        assert (await records.builds.create(records.account, again, False)).superseded == ()
    assert (await records.build(other)).status == "queued"


async def test_branches_that_deploy_wait_for_each_other(records: Records) -> None:
    await records.projects().change_settings(
        "shop", lambda old: replace(old, one_at_a_time=("main",), supersede=Supersede.RUNNING)
    )
    first, second = await records.make(), await records.make()
    fence = await records.claim()
    assert fence.build == first
    assert await records.queue.claim("w") is None
    waiting = (await records.build(second)).waiting
    assert waiting and waiting.reasons[0].sentence == "waits for the deployment of #1"
    assert await records.builds.end(fence, Ended(Outcome.GREEN, ""))
    assert (await records.claim()).build == second


async def test_a_worker_that_lost_the_build_writes_nothing(records: Records) -> None:
    build = await records.make()
    lost = await records.claim()
    assert await records.builds.progress(lost, RUNS)
    await pass_time(records.around, 30.0)
    assert await records.builds.work(lost) is None
    seen = await records.build(build)
    assert (seen.status, seen.steps[1].state) == ("queued", StepState.STOPPED)
    await _says_nothing(records, lost)
    assert await records.build(build) == seen
    await records.around.seen()
    fence = await records.claim()
    for stale in (lost, replace(fence, worker="v"), replace(fence, attempt=3), replace(fence, build="none")):
        await _says_nothing(records, stale)
    assert (await records.build(build)).steps == ()
    assert await records.builds.end(fence, Ended(Outcome.GREEN, "", b"second", "key"))
    await _says_nothing(records, fence)
    assert await records.builds.receipt(records.account, build) == b"second"
    assert await records.builds.receipt(records.account, build, 1) is None
    assert (await records.build(build)).run == run_id(build, 2) != build


async def test_a_worker_that_was_revoked_writes_nothing(records: Records) -> None:
    build = await records.make()
    fence = await records.claim()
    assert await records.workers.revoke("w")
    await _says_nothing(records, fence)
    assert await records.builds.work(fence) is None
    assert (await records.build(build)).steps == ()


async def _says_nothing(records: Records, fence: Fence) -> None:
    before = [await count(records, table) for table in (steps, receipts)]
    assert not await records.builds.progress(fence, progress(*[StepState.PASSED] * 4))
    assert not await records.builds.end(fence, Ended(Outcome.GREEN, "mine", b"forged", "key"))
    assert [await count(records, table) for table in (steps, receipts)] == before


async def test_what_is_signed_is_never_replaced(records: Records) -> None:
    build = await records.make()
    fence = await records.claim()
    ended = Ended(Outcome.RED, "unit failed", b"signed", "key")
    assert await records.builds.end(fence, ended)
    assert await records.builds.end(fence, ended), "its answer may have been lost"
    assert not await records.builds.end(fence, replace(ended, receipt=b"another"))
    assert not await records.builds.end(fence, replace(ended, receipt=None))
    assert not await records.builds.end(fence, replace(ended, outcome=Outcome.GREEN))
    assert await records.builds.receipt(records.account, build, 1) == b"signed"


async def test_a_receipt_is_kept_with_the_end_or_neither_is(records: Records) -> None:
    build = await records.make()
    fence = await records.claim()
    with pytest.raises(DBAPIError):
        await records.builds.end(fence, Ended(Outcome.GREEN, "", b"signed", "k" * 65))
    assert (await records.build(build)).status == "running"
    assert await records.builds.receipt(records.account, build) is None
    assert await records.builds.end(fence, Ended(Outcome.GREEN, ""))
    assert await records.builds.end(fence, Ended(Outcome.GREEN, ""))
    assert await records.builds.receipt(records.account, build) is None


async def test_the_same_again_is_no_write_and_wakes_nobody(records: Records) -> None:
    build = await records.make()
    fence = await records.claim()
    written: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            written.append(statement)

    event.listen(records.database.engine.sync_engine, "before_cursor_execute", note)
    async with records.around.wakeups.subscribe(build_topic(build)) as woken:
        assert await records.builds.progress(fence, RUNS)
        assert written and await woken.wait(0.01)
        written.clear()
        assert await records.builds.progress(fence, RUNS)
        assert written == [] and not await woken.wait(0.01)
        more = progress(StepState.PASSED, StepState.PASSED, StepState.RUNNING)
        assert await records.builds.progress(fence, more)
        assert len(written) == 2, "a step that changed, and a new one"
        assert await records.builds.progress(fence, replace(more, steps=more.steps[:1]))
    assert (await records.build(build)).steps == more.steps[:1]


async def test_the_commit_that_was_fetched_first_stays(records: Records) -> None:
    build = await records.make()
    fence = await records.claim()
    assert await records.builds.progress(fence, RUNS)
    assert await records.builds.progress(fence, replace(RUNS, commit="d" * 40))
    assert (await records.build(build)).commit == COMMIT


@pytest.mark.parametrize("numbers", [(1, 1), (0, 1), tuple(range(1, 1002))])
async def test_steps_that_cannot_be_are_refused(records: Records, numbers: tuple[int, ...]) -> None:
    await records.make()
    fence = await records.claim()
    strange = replace(RUNS, steps=tuple(replace(RUNS.steps[0], number=number) for number in numbers))
    with pytest.raises(UsageError, match="numbered from 1"):
        await records.builds.progress(fence, strange)
    assert await count(records, steps) == 0


async def test_whoever_looks_is_told_of_each_move(records: Records) -> None:
    wakeups = records.around.wakeups
    async with wakeups.subscribe(account_topic(records.account)) as account:
        build = await records.make()
        async with wakeups.subscribe(build_topic(build)) as one:
            assert await account.wait(0.01)
            fence = await records.claim()
            assert await account.wait(0.01) and await one.wait(0.01)
            assert await records.queue.cancel(build, "Ada asked") is QueueState.STOPPING
            assert await one.wait(0.01)
            assert (await records.build(build)).status == "stopping"
            assert await records.builds.end(fence, Ended(Outcome.CANCELLED, "stopped"))
            assert await account.wait(0.01) and await one.wait(0.01)
            assert not await one.wait(0.01)


async def test_what_is_another_accounts_is_not_found(records: Records) -> None:
    build = await records.ended()
    view = await records.build(build)
    assert not (await records.builds.page(OTHER, ALL))
    assert await records.builds.get(OTHER, build) is None
    assert await records.builds.numbered(OTHER, "shop", 1) is None
    assert await records.builds.receipt(OTHER, build) is None
    assert await records.builds.latest_of_branches(OTHER, [("shop", "main")]) == []
    newer = await records.build(await records.make())
    assert await records.builds.last_green(records.account, newer) == view
    assert await records.builds.last_green(OTHER, newer) is None
    with pytest.raises(UsageError, match="does not go on from there"):
        await records.builds.page(OTHER, replace(ALL, before=build))
    with pytest.raises(UsageError, match="no such project"):
        await records.builds.create(OTHER, NewBuild("shop", Trigger.PERSON), True)
    assert await count(records, queue_builds) == 2
