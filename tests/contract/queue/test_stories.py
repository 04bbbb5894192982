"""The same story, drawn at random, in every queue: each answer is the same, and so is every history.

Memory is the model: it is short enough to be believed. Time is told to both.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from sealock.core.build import Outcome
from sealock.core.queue import Claim, Fence, Order, Queue, Supersede
from tests.support.queue import Around, AroundDatabase, AroundMemory

pytestmark = pytest.mark.anyio

ACCOUNTS = {"three": (2, 1), "four": (100, 3), "five": (1, 1)}
WORKERS: dict[str, tuple[int, tuple[str, ...]]] = {"x": (3, ()), "arm": (2, ("arm64",))}
LENGTH = 150
DAY = 24 * 3600.0


class Story:
    """Draws what happens next."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.fences: list[Fence] = []
        self.builds: list[str] = []

    def order(self) -> Order:
        draw, account = self._chance, self._chance.choice(list(ACCOUNTS))
        self.builds.append(f"b{len(self.builds)}")
        return Order(
            self.builds[-1],
            account,
            account,
            needs=frozenset(draw.choice([[], [], ["arm64"]])),
            group=draw.choice(["", "", "production"]),
            line=draw.choice(["", "main", "feature"]),
            priority=draw.randint(-2, 2),
            delivery=draw.choice(["", "", "d1", "d2"]),
            supersede=draw.choice(list(Supersede)),
            deploys=draw.random() < 0.2,
            project_limit=draw.choice([None, None, 2]),
        )

    def next(self) -> tuple[str, tuple[Any, ...]]:
        """The verb, and what it is done to."""
        draw = self._chance
        worker, build = draw.choice(list(WORKERS)), draw.choice(self.builds or ["none"])
        fence = draw.choice(self.fences[-8:] or [Fence("none", 1, "x")])
        verb = draw.choices(
            [
                "enqueue",
                "claim",
                "beat",
                "begin_deployment",
                "finish",
                "fail",
                "cancel",
                "pass",
                "jump",
                "why",
            ],
            [8, 8, 4, 1, 3, 2, 2, 5, 0.3, 2],
        )[0]
        parts: dict[str, tuple[Any, ...]] = {
            "claim": (worker,),
            "beat": (fence,),
            "begin_deployment": (fence,),
            "finish": (fence, draw.choice([Outcome.GREEN, Outcome.RED, Outcome.CANCELLED])),
            "fail": (fence, draw.random() < 0.7),
            "cancel": (build,),
            "pass": (draw.choice([1.0, 4.0, 8.0]),),
            "jump": (draw.choice([-DAY, -100.0, 100.0]),),
            "why": (build,),
        }
        return verb, (self.order(),) if verb == "enqueue" else parts[verb]


async def do(around: Around, verb: str, parts: tuple[Any, ...]) -> object:
    """Do it; what came of it."""
    queue: Queue = around.queue
    if verb == "enqueue":
        await around.record(parts[0].build, parts[0].account)
        return await queue.enqueue(parts[0])
    if verb in ("pass", "jump"):
        around.jump(*parts)
        return await queue.put_back()
    if verb == "fail":
        return await queue.fail(parts[0], "no disk", temporary=parts[1])
    if verb == "cancel":
        return await queue.cancel(parts[0], "Ada asked")
    if verb == "why":
        waiting = await queue.why(*parts)
        # Builds are numbered in each project by the database, and not by memory.
        return waiting and (waiting.position, waiting.of, [each.obstacle for each in waiting.reasons])
    return await getattr(queue, verb)(*parts)


async def furnish(around: Around, *, more_only: bool) -> None:
    """Accounts and workers; `conftest` has put some there already."""
    if not more_only:
        await around.account("one")
        await around.account("two")
        await around.worker("w")
    for account, (most, weight) in ACCOUNTS.items():
        await around.account(account, most, weight)
    for worker, (machines, labels) in WORKERS.items():
        await around.worker(worker, machines, labels)


@pytest.mark.parametrize("seed", range(4))
async def test_every_queue_tells_the_same_story(around: Around, seed: int) -> None:
    story, model = Story(seed), AroundMemory()
    if isinstance(around, AroundDatabase):
        around.told = lambda: round(model.now * 1000)
    await furnish(around, more_only=True)
    await furnish(model, more_only=False)
    for _ in range(LENGTH):
        verb, parts = story.next()
        expected = await do(model, verb, parts)
        await around.seen()
        assert await do(around, verb, parts) == expected, (verb, parts)
        if isinstance(expected, Claim):
            story.fences.append(expected.fence)
    await around.check()
    for build in story.builds:
        assert await around.queue.history(build) == await model.queue.history(build)
