"""What every queue does with who has a build: leases, fences, cancels, losses, and clocks that are set."""

from __future__ import annotations

import pytest

from sealock.core.build import Outcome
from sealock.core.queue import (
    WORK,
    Beat,
    Fence,
    Order,
    QueueEventKind,
    QueueState,
    Supersede,
    stop_topic,
)
from tests.support.queue import Around, claim, events, pass_time

pytestmark = pytest.mark.anyio


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
    assert kinds.count(QueueEventKind.REFUSED) == 1, "noted once, however often it is tried"


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
    refused = [event for event in await around.queue.history("a") if event.kind is QueueEventKind.REFUSED]
    assert [event.worker for event in refused] == ["w"], "a stranger writes nothing into the history"


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
    await pass_time(around, 41)
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


async def test_a_clock_set_forward_or_a_server_that_was_away_takes_nothing_from_who_lives(
    around: Around,
) -> None:
    await around.worker("x")
    await around.add("lives")
    await around.add("dies")
    lives, dies = await claim(around), await claim(around)
    await around.queue.put_back()
    around.jump(200)
    assert await around.queue.claim("x") is None
    assert await around.queue.beat(lives.fence) is Beat.OK
    await pass_time(around, 12, lives.fence)
    assert (await claim(around, "x")).fence == Fence("dies", 2, "x"), "a lease later than otherwise"
    assert await around.queue.beat(dies.fence) is Beat.LOST
    assert await around.queue.finish(lives.fence, Outcome.GREEN)


async def test_what_deploys_is_given_to_nobody_while_its_worker_may_go_on(around: Around) -> None:
    """A worker that reaches nobody goes on for 30 s beyond its lease; two deployments must never run."""
    await around.worker("x")
    await around.add("alone", group="branch:main", deploys=True)
    await around.add("next", group="branch:main", deploys=True)
    first = await claim(around)
    assert first.away == 30.0
    await pass_time(around, 12)
    assert await around.queue.beat(first.fence) is Beat.OK, "12 s without a beat are no reason yet"
    await pass_time(around, 37)
    assert await around.queue.claim("x") is None
    await pass_time(around, 3)
    assert (await claim(around, "x")).fence == Fence("alone", 2, "x")
    assert await around.queue.beat(first.fence) is Beat.LOST


async def test_nor_while_it_is_stopped(around: Around) -> None:
    await around.worker("x")
    await around.add("alone", group="branch:main", deploys=True)
    await around.add("next", group="branch:main", deploys=True)
    await claim(around)
    await around.queue.cancel("alone", "Ada asked")
    await pass_time(around, 37)
    assert await around.queue.claim("x") is None, "the worker may not have heard of it"
    await pass_time(around, 3)
    assert (await claim(around, "x")).fence == Fence("next", 1, "x")


async def test_a_server_that_was_away_leaves_what_deploys_its_time(around: Around) -> None:
    await around.worker("x")
    await around.add("alone", group="branch:main", deploys=True)
    first = await claim(around)
    await around.queue.put_back()
    around.jump(200)
    assert await around.queue.claim("x") is None
    await pass_time(around, 37)
    assert await around.queue.beat(first.fence) is Beat.OK


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
