"""What every queue does with who waits: turns, limits, labels, groups, and saying why."""

from __future__ import annotations

import asyncio

import pytest

from sealock.core.build import Outcome
from sealock.core.errors import UsageError
from sealock.core.queue import (
    Beat,
    Claim,
    Fence,
    Obstacle,
    Order,
    QueueState,
)
from sealock.core.worker_state import WorkerState
from tests.support.queue import Around, claim, events, pass_time, reasons

pytestmark = pytest.mark.anyio


async def test_a_build_is_claimed_once_beaten_and_finished(around: Around) -> None:
    await around.add("a")
    claimed = await claim(around)
    assert claimed == Claim(Fence("a", 1, "w"), "one", "one", 9.0, 30.0)
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


async def test_many_who_claim_at_once_take_no_more_than_there_is(around: Around) -> None:
    await around.account("three", max_running=3)
    for number in range(9):
        await around.add(f"t{number}", "three")
    claims = await asyncio.gather(*(around.queue.claim("w") for _ in range(9)))
    assert len({claimed.fence.build for claimed in claims if claimed}) == 3
    assert sum(claimed is not None for claimed in claims) == 3
    await around.check()


async def test_many_deliveries_at_once_are_one(around: Around) -> None:
    orders = [Order(f"b{number}", "one", "one", delivery="d") for number in range(6)]
    for order in orders:
        await around.record(order.build, "one")
    answers = await asyncio.gather(*(around.queue.enqueue(order) for order in orders))
    assert sum(answer.new for answer in answers) == 1
    assert len({answer.build for answer in answers}) == 1


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
