"""What every queue does. `tests.support.queue` puts accounts, workers and a clock around each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sealock.core.build import Outcome
from sealock.core.errors import UsageError
from sealock.core.queue import (
    WORK,
    Beat,
    Claim,
    Fence,
    Obstacle,
    Order,
    QueueEventKind,
    QueueState,
    Supersede,
    stop_topic,
)
from sealock.core.worker_state import WorkerState
from sealock.store.database.engine import open_database
from sealock.store.database.migrations import upgrade
from tests.support.queue import Around, AroundDatabase, AroundMemory, pass_time

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
async def around(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Around]:
    if request.param == "memory":
        yield await _furnished(AroundMemory())
    elif request.param == "sqlite":
        async with open_database(f"sqlite:///{tmp_path}/sealock.db") as database:
            await upgrade(database)
            yield await _furnished(AroundDatabase(database))
    else:
        with request.getfixturevalue("postgres").database() as url:
            async with open_database(url) as database:
                await upgrade(database)
                yield await _furnished(AroundDatabase(database))


async def _furnished(around: Around) -> Around:
    await around.account("one")
    await around.account("two")
    await around.worker("w")
    return around


async def claim(around: Around, worker: str = "w") -> Claim:
    claimed = await around.queue.claim(worker)
    assert claimed is not None
    return claimed


async def events(around: Around, build: str) -> list[QueueEventKind]:
    await around.check()
    return [event.kind for event in await around.queue.history(build)]


async def reasons(around: Around, build: str) -> list[str]:
    waiting = await around.queue.why(build)
    assert waiting is not None
    return [reason.sentence for reason in waiting.reasons]


async def test_a_build_is_claimed_once_beaten_and_finished(around: Around) -> None:
    await around.add("a")
    claimed = await claim(around)
    assert claimed == Claim(Fence("a", 1, "w"), "one", "one", 9.0)
    assert claimed.beat_every == 3.0
    assert await around.queue.claim("w") is None
    assert await around.queue.beat(claimed.fence) is Beat.OK
    assert await around.queue.finish(claimed.fence, Outcome.RED)
    assert await around.queue.claim("w") is None
    assert await around.queue.cancel("a", "too late") is QueueState.FINISHED
    history = await around.queue.history("a")
    assert [event.kind.value for event in history] == ["enqueued", "claimed", "finished"]
    assert [(event.attempt, event.worker) for event in history] == [(0, ""), (1, "w"), (1, "w")]
    await around.check()


async def test_a_delivery_is_taken_once_for_each_project(around: Around) -> None:
    await around.add("a", delivery="d")
    again = await around.queue.enqueue(Order("b", "one", "one", delivery="d"))
    assert (again.build, again.new) == ("a", False)
    await around.add("c", "two", delivery="d")
    await around.add("d")
    await around.add("e")
    assert await events(around, "b") == []
    assert [(await claim(around)).fence.build for _ in range(4)] == ["a", "c", "d", "e"]


async def test_a_build_is_queued_once(around: Around) -> None:
    await around.add("a")
    with pytest.raises(UsageError, match="is in the queue already"):
        await around.queue.enqueue(Order("a", "one", "one"))


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        (Order("a", "one", "one", needs=frozenset({"a,b"})), "'a,b' is no label"),
        (Order("a", "one", "one", needs=frozenset({""})), "'' is no label"),
        (Order("a", "one", "one", needs=frozenset(map(str, range(17)))), "more than 16 labels"),
        (Order("a", "one", "one", priority=101), "101 is no priority"),
    ],
)
async def test_an_order_nobody_could_carry_out_is_refused(around: Around, order: Order, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        await around.queue.enqueue(order)


async def test_priority_counts_among_an_accounts_own_builds(around: Around) -> None:
    await around.add("low", priority=-1)
    await around.add("old")
    await around.add("new")
    await around.add("high", priority=7)
    order = [(await claim(around)).fence.build for _ in range(4)]
    assert order == ["high", "old", "new", "low"]


async def test_one_build_waits_behind_no_account_with_many(around: Around) -> None:
    for number in range(30):
        await around.add(f"big{number}", priority=100)
    for _ in range(5):  # one worker, so nobody has a machine when it asks
        await around.queue.finish((await claim(around)).fence, Outcome.GREEN)
    await around.add("small", "two")
    assert (await claim(around)).fence.build == "small"


async def test_a_weight_of_two_gets_twice_as_much(around: Around) -> None:
    await around.account("paid", weight=2)
    for number in range(12):
        await around.add(f"one{number}")
        await around.add(f"paid{number}", "paid")
    held = [(await claim(around)).account for _ in range(9)]
    assert (held.count("paid"), held.count("one")) == (6, 3)
    one_at_a_time = []
    for _ in range(9):
        claimed = await claim(around)
        one_at_a_time.append(claimed.account)
        await around.queue.finish(claimed.fence, Outcome.GREEN)
    assert one_at_a_time.count("paid") == 6


async def test_who_was_away_saves_nothing_up(around: Around) -> None:
    for number in range(20):
        await around.add(f"one{number}")
    for _ in range(10):
        await around.queue.finish((await claim(around)).fence, Outcome.GREEN)
    for number in range(20):
        await around.add(f"two{number}", "two")
    taken = []
    for _ in range(10):
        claimed = await claim(around)
        taken.append(claimed.account)
        await around.queue.finish(claimed.fence, Outcome.GREEN)
    assert taken.count("two") == 5


async def test_an_account_stays_within_its_machines(around: Around) -> None:
    await around.account("three", max_running=2)
    for number in range(3):
        await around.add(f"t{number}", "three")
    first = await claim(around)
    await claim(around)
    assert await around.queue.claim("w") is None
    assert await reasons(around, "t2") == ["account at 2 of 2 machines"]
    await around.queue.cancel(first.fence.build, "why not")
    assert await around.queue.claim("w") is None, "its machine is not gone yet"
    await around.queue.finish(first.fence, Outcome.CANCELLED)
    assert (await claim(around)).fence.build == "t2"


async def test_a_project_stays_within_its_limit(around: Around) -> None:
    await around.add("a", project_limit=1)
    await around.add("b", project_limit=1)
    first = await claim(around)
    assert await around.queue.claim("w") is None
    assert await reasons(around, "b") == ["project at 1 of 1"]
    await around.queue.finish(first.fence, Outcome.GREEN)
    assert (await claim(around)).fence.build == "b"
    await around.add("c", project_limit=None)
    assert (await claim(around)).fence.build == "c"


async def test_deployments_of_a_group_run_one_at_a_time(around: Around) -> None:
    await around.add("a", group="production", deploys=True)
    await around.add("b", group="production", deploys=True)
    await around.add("c")
    first = await claim(around)
    assert (await claim(around)).fence.build == "c"
    assert await around.queue.claim("w") is None
    assert await reasons(around, "b") == ["waits for the deployment of #1"]
    await around.queue.fail(first.fence, "no disk", temporary=False)
    assert (await claim(around)).fence.build == "b"


async def test_a_group_is_one_whatever_its_builds_need(around: Around) -> None:
    await around.worker("arm", labels=("arm64",))
    await around.add("a", group="production")
    await around.add("b", group="production", needs=frozenset({"arm64"}))
    await claim(around)
    assert await around.queue.claim("arm") is None


async def test_a_worker_gets_what_its_labels_allow(around: Around) -> None:
    await around.add("a", needs=frozenset({"arm64", "gpu"}))
    assert await around.queue.claim("w") is None
    assert await reasons(around, "a") == ["no worker with labels arm64, gpu"]
    await around.worker("arm", labels=("arm64",))
    assert await around.queue.claim("arm") is None
    assert await reasons(around, "a") == ["no worker with label gpu"]
    await around.worker("both", machines=1, labels=("gpu", "arm64", "big"))
    await around.add("b", needs=frozenset({"gpu"}))
    assert (await claim(around, "both")).fence.build == "a"
    assert await around.queue.claim("both") is None, "it has one machine"
    assert await reasons(around, "b") == ["all workers with label gpu are busy (1 of 1)"]


async def test_workers_that_are_busy_are_counted(around: Around) -> None:
    await around.worker_state("w", WorkerState.REVOKED)
    await around.worker("x", machines=2)
    for build in ("a", "b", "c", "d"):
        await around.add(build)
    await claim(around, "x")
    await claim(around, "x")
    waiting = await around.queue.why("d")
    assert waiting is not None
    assert (waiting.position, waiting.of) == (2, 2)
    assert await reasons(around, "d") == ["all workers are busy (2 of 2)"]
    assert await around.queue.why("a") is None
    assert await around.queue.why("nothing") is None


async def test_position_follows_priority_and_another_accounts_builds_do_not_count(around: Around) -> None:
    await around.add("other", "two")
    await around.add("a")
    await around.add("b", priority=3)
    waiting = await around.queue.why("a")
    assert waiting is not None
    assert (waiting.position, waiting.of) == (2, 2)
    assert [reason.obstacle for reason in waiting.reasons] == [Obstacle.TURN]


async def test_a_draining_worker_finishes_what_it_has(around: Around) -> None:
    await around.add("a")
    await around.add("b")
    claimed = await claim(around)
    assert await around.queue.drain("w") == 1
    assert await around.queue.claim("w") is None
    assert await reasons(around, "b") == ["no worker is there"]
    assert await around.queue.beat(claimed.fence) is Beat.OK
    assert await around.queue.finish(claimed.fence, Outcome.GREEN)
    assert await around.queue.drain("w") == 0
    assert await around.queue.claim("nobody") is None


async def test_a_revoked_worker_is_heard_no_more(around: Around) -> None:
    await around.add("a")
    claimed = await claim(around)
    await around.worker_state("w", WorkerState.REVOKED)
    assert await around.queue.beat(claimed.fence) is Beat.LOST
    assert await around.queue.begin_deployment(claimed.fence) is Beat.LOST
    assert not await around.queue.finish(claimed.fence, Outcome.GREEN)
    assert not await around.queue.fail(claimed.fence, "why", temporary=True)
    assert await around.queue.claim("w") is None
    await around.worker("x")
    await pass_time(around, 12)
    assert (await claim(around, "x")).fence == Fence("a", 2, "x")


async def test_a_cancel_is_at_once_for_who_waits_and_told_to_who_runs(around: Around) -> None:
    await around.add("a")
    await around.add("b")
    claimed = await claim(around)
    assert await around.queue.cancel("b", "Ada asked") is QueueState.CANCELLED
    assert await around.queue.cancel("a", "Ada asked") is QueueState.STOPPING
    assert await around.queue.cancel("a", "Ben asked too") is QueueState.STOPPING
    assert await around.queue.cancel("nothing", "Ada asked") is None
    assert await around.queue.beat(claimed.fence) is Beat.CANCEL
    assert await around.queue.begin_deployment(claimed.fence) is Beat.CANCEL
    assert await around.queue.finish(claimed.fence, Outcome.CANCELLED, "Ada asked")
    assert await events(around, "a") == ["enqueued", "claimed", "cancel-asked", "cancelled"]
    assert await around.queue.claim("w") is None


async def test_what_ended_before_the_cancel_was_heard_is_what_it_was(around: Around) -> None:
    await around.add("a")
    claimed = await claim(around)
    await around.queue.cancel("a", "Ada asked")
    assert await around.queue.finish(claimed.fence, Outcome.GREEN)
    assert await around.queue.cancel("a", "again") is QueueState.FINISHED


async def test_a_failure_of_ours_is_tried_once_more(around: Around) -> None:
    await around.add("a")
    assert await around.queue.fail((await claim(around)).fence, "no disk\0 left", temporary=True)
    second = await claim(around)
    assert second.fence.attempt == 2
    assert await around.queue.fail(second.fence, "no disk left", temporary=True)
    assert await around.queue.claim("w") is None
    assert await around.queue.cancel("a", "") is QueueState.FAILED
    last = (await around.queue.history("a"))[-1]
    assert last.reason == "no disk left, in the last of 2 attempts"


async def test_a_failure_that_would_come_again_and_a_cancelled_build_are_not(around: Around) -> None:
    await around.add("a")
    await around.add("b")
    first, second = await claim(around), await claim(around)
    assert await around.queue.fail(first.fence, "no such image", temporary=False)
    await around.queue.cancel("b", "Ada asked")
    assert await around.queue.fail(second.fence, "no disk", temporary=True)
    assert (await events(around, "a"))[-1] == "failed"
    assert (await events(around, "b"))[-1] == "cancelled"
    assert (await around.queue.history("b"))[-1].reason == "Ada asked"


async def test_a_lost_worker_loses_the_build_and_is_refused(around: Around) -> None:
    await around.worker("x")
    await around.add("a")
    first = await claim(around)
    await pass_time(around, 8)
    assert await around.queue.claim("x") is None, "its lease is not over"
    await pass_time(around, 3)
    second = await claim(around, "x")
    assert second.fence == Fence("a", 2, "x")
    assert await around.queue.beat(first.fence) is Beat.LOST
    assert await around.queue.begin_deployment(first.fence) is Beat.LOST
    assert not await around.queue.finish(first.fence, Outcome.GREEN)
    assert not await around.queue.fail(first.fence, "no disk", temporary=True)
    assert await around.queue.finish(second.fence, Outcome.GREEN)
    assert not await around.queue.finish(first.fence, Outcome.GREEN)
    kinds = await events(around, "a")
    assert kinds.count(QueueEventKind.FINISHED) == 1
    assert kinds.count(QueueEventKind.REFUSED) == 3


async def test_the_same_worker_is_fenced_from_its_own_past(around: Around) -> None:
    await around.add("a")
    first = await claim(around)
    await pass_time(around, 12)
    second = await claim(around)
    assert not await around.queue.finish(first.fence, Outcome.GREEN)
    assert await around.queue.beat(first.fence) is Beat.LOST
    assert await around.queue.beat(second.fence) is Beat.OK
    forged = Fence("a", 2, "other")
    assert not await around.queue.finish(forged, Outcome.GREEN)
    assert await around.queue.beat(Fence("a", 3, "w")) is Beat.LOST
    assert not await around.queue.finish(Fence("nothing", 1, "w"), Outcome.GREEN)


async def test_saying_it_again_is_heard_again_and_done_once(around: Around) -> None:
    await around.add("a")
    claimed = await claim(around)
    assert await around.queue.finish(claimed.fence, Outcome.GREEN)
    assert await around.queue.finish(claimed.fence, Outcome.GREEN)
    assert not await around.queue.finish(claimed.fence, Outcome.RED)
    assert (await events(around, "a")).count(QueueEventKind.FINISHED) == 1


async def test_who_beats_keeps_it_until_the_longest_time(around: Around) -> None:
    await around.add("a")
    claimed = await claim(around)
    await pass_time(around, 297, claimed.fence)
    assert await around.queue.beat(claimed.fence) is Beat.OK
    await pass_time(around, 6, claimed.fence)
    assert await around.queue.beat(claimed.fence) is Beat.CANCEL
    await pass_time(around, 12, claimed.fence)
    assert await around.queue.beat(claimed.fence) is Beat.LOST, "it beat, and did not stop"
    assert (await events(around, "a"))[-1] == "cancelled"


async def test_attempts_run_out(around: Around) -> None:
    await around.add("a", attempts=2)
    for _ in range(2):
        await claim(around)
        await pass_time(around, 12)
    assert await around.queue.claim("w") is None
    assert (await events(around, "a"))[-1] == "failed"


async def test_a_cancelled_build_of_a_lost_worker_is_cancelled(around: Around) -> None:
    await around.add("a")
    await claim(around)
    await around.queue.cancel("a", "Ada asked")
    await pass_time(around, 15)
    assert await around.queue.claim("w") is None
    assert (await events(around, "a"))[-1] == "cancelled"


async def test_a_deployment_that_had_begun_is_not_tried_again_unasked(around: Around) -> None:
    await around.add("a", deploys=True)
    claimed = await claim(around)
    assert await around.queue.begin_deployment(claimed.fence) is Beat.OK
    await pass_time(around, 12)
    assert await around.queue.claim("w") is None
    last = (await around.queue.history("a"))[-1]
    assert last.kind is QueueEventKind.FAILED
    assert "its deployment had begun" in last.reason


async def test_a_build_does_not_wait_for_ever(around: Around) -> None:
    await around.add("a", needs=frozenset({"arm64"}))
    await pass_time(around, 1002)
    assert await around.queue.why("a") is None
    assert (await events(around, "a"))[-1] == "cancelled"


async def test_a_newer_commit_replaces_what_waits(around: Around) -> None:
    await around.add("running", line="main")
    first = await claim(around)
    await around.add("other", line="feature")
    await around.add("deploys", line="main", deploys=True)
    await around.add("waits", line="main")
    await around.add("two", "two", line="main")
    await around.record("new", "one")
    order = Order("new", "one", "one", line="main", supersede=Supersede.QUEUED)
    assert (await around.queue.enqueue(order)).superseded == ("waits",)
    assert await around.queue.beat(first.fence) is Beat.OK
    left = [claimed.fence.build for _ in range(5) if (claimed := await around.queue.claim("w"))]
    assert sorted(left) == ["deploys", "new", "other", "two"]
    assert (await around.queue.history("waits"))[-1].reason == "a newer commit replaced it"


async def test_a_newer_commit_stops_what_runs_if_the_project_says_so(around: Around) -> None:
    await around.add("a", line="main")
    await around.add("b", line="main", deploys=True)
    first, second = await claim(around), await claim(around)
    await around.record("new", "one")
    order = Order("new", "one", "one", line="main", supersede=Supersede.RUNNING)
    assert (await around.queue.enqueue(order)).superseded == ("a",)
    assert await around.queue.beat(first.fence) is Beat.CANCEL
    assert await around.queue.beat(second.fence) is Beat.OK


async def test_builds_without_a_line_replace_nothing(around: Around) -> None:
    await around.add("a")
    await around.record("new", "one")
    answer = await around.queue.enqueue(Order("new", "one", "one", supersede=Supersede.RUNNING))
    assert answer.superseded == ()


async def test_a_clock_set_back_loses_and_doubles_nothing(around: Around) -> None:
    await around.worker("x")
    await around.add("dies")
    await around.add("lives")
    dies, lives = await claim(around), await claim(around)
    await around.queue.put_back()
    around.jump(-3600)
    await around.queue.put_back()
    assert await around.queue.claim("x") is None, "nobody lost anything by it"
    assert await around.queue.beat(lives.fence) is Beat.OK
    await pass_time(around, 12, lives.fence)
    second = await claim(around, "x")
    assert second.fence == Fence(dies.fence.build, 2, "x"), "found within a lease, not within an hour"
    assert await around.queue.claim("x") is None
    assert not await around.queue.finish(dies.fence, Outcome.GREEN)
    assert await around.queue.finish(lives.fence, Outcome.GREEN)
    assert await around.queue.finish(second.fence, Outcome.GREEN)


async def test_builds_queued_before_and_after_a_clock_was_set_back_keep_their_order(around: Around) -> None:
    await around.add("first")
    around.jump(-3600)
    await around.add("second")
    assert [(await claim(around)).fence.build for _ in range(2)] == ["first", "second"]


@pytest.mark.parametrize("seconds", [3600.0, 90 * 24 * 3600.0])
async def test_a_clock_set_forward_or_a_server_that_was_away_takes_nothing_from_who_lives(
    around: Around, seconds: float
) -> None:
    await around.add("a")
    claimed = await claim(around)
    around.jump(min(seconds, 200))
    await around.queue.put_back()
    assert await around.queue.beat(claimed.fence) is Beat.OK
    assert await around.queue.finish(claimed.fence, Outcome.GREEN)


async def test_whoever_waits_is_woken(around: Around) -> None:
    async with around.wakeups.subscribe(WORK) as work, around.wakeups.subscribe(stop_topic("w")) as stop:
        assert not await work.wait(0)
        await around.add("a")
        assert await work.wait(0)
        claimed = await claim(around)
        assert not await work.wait(0)
        await around.queue.cancel("a", "Ada asked")
        assert await stop.wait(0)
        assert not await work.wait(0)
        await around.queue.finish(claimed.fence, Outcome.CANCELLED)
        assert await work.wait(0), "its place is free"
        assert not await stop.wait(0)
