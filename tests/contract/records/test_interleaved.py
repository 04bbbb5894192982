"""Makers, workers and people at once: no build is lost, none is done twice, no word of the past is kept."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, StepState
from sealock.core.builds import BuildFilter, Ended
from sealock.core.queue import Fence
from sealock.store.database.engine import open_database
from sealock.store.database.migrations import upgrade
from tests.support.queue import pass_time
from tests.support.records import Records, progress

WORKERS = ("w", "v")
PASSED = (StepState.RUNNING, StepState.PASSED, StepState.FAILED)
ACTS = st.one_of(
    st.tuples(st.just("make"), st.integers(0, 2)),
    st.tuples(st.just("claim"), st.integers(0, 1)),
    st.tuples(st.just("say"), st.integers(0, 11)),
    st.tuples(st.just("end"), st.integers(0, 3)),
    st.tuples(st.just("cancel"), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.sampled_from([2, 10])),
)


@dataclass
class Story:
    """What came of it so far, as whoever calls knows it. holds: who has which build, unless its lease ran
    out meanwhile."""

    records: Records
    made: list[str] = field(default_factory=list)
    fences: list[Fence] = field(default_factory=list)
    said: dict[Fence, StepState] = field(default_factory=dict)
    ended: dict[str, Fence] = field(default_factory=dict)

    async def act(self, verb: str, number: int) -> None:
        await getattr(self, verb)(number)

    async def make(self, number: int) -> None:
        made = await self.records.make("", delivery=f"push:{number}" if number else "")
        if number == 0 or made not in self.made:
            assert made not in self.made
            self.made.append(made)

    async def claim(self, number: int) -> None:
        claim = await self.records.queue.claim(WORKERS[number])
        if claim is not None:
            assert claim.fence not in self.fences, "an attempt is given away once"
            assert claim.fence.build not in self.ended, "what ended is never begun again"
            self.fences.append(claim.fence)
            assert await self.records.builds.work(claim.fence)

    async def say(self, number: int) -> None:
        if not self.fences:
            return
        fence, state = self.fences[number // 3 % len(self.fences)], PASSED[number % 3]
        latest = (await self.records.build(fence.build)).attempt == fence.attempt
        if await self.records.builds.progress(fence, progress(state)):
            assert latest and self.ended.get(fence.build) is None
            self.said[fence] = state

    async def end(self, number: int) -> None:
        if not self.fences:
            return
        fence = self.fences[number % len(self.fences)]
        told = Ended(Outcome.GREEN, "", repr(fence).encode(), "key")
        if await self.records.builds.end(fence, told):
            assert self.ended.setdefault(fence.build, fence) == fence, "it ended once"

    async def cancel(self, number: int) -> None:
        if self.made:
            await self.records.queue.cancel(self.made[number % len(self.made)], "Ada asked")

    async def wait(self, seconds: int) -> None:
        await pass_time(self.records.around, seconds)
        await self.records.around.seen()

    async def check(self) -> None:
        """Everything is kept, once, and as it was said last by who had it."""
        page = await self.records.builds.page(self.records.account, BuildFilter(limit=100))
        assert [view.id for view in page] == self.made[::-1]
        assert [view.number for view in page] == list(range(len(page), 0, -1))
        await self.records.around.check()
        for build in self.made:
            await self._check(build)

    async def _check(self, build: str) -> None:
        view = await self.records.build(build)
        fence = self.ended.get(build)
        receipt = await self.records.builds.receipt(self.records.account, build)
        assert receipt == (None if fence is None else repr(fence).encode())
        assert fence is None or view.state is BuildState.ENDED
        latest = [each for each in self.fences if each.build == build]
        assert view.attempt == len(latest) <= 2
        said = self.said.get(latest[-1]) if latest else None
        shown = view.steps[0].state if view.steps else None
        over = said is StepState.RUNNING and view.state is not BuildState.RUNNING
        assert shown is (StepState.STOPPED if over else said)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A database with its tables, to be copied."""
    directory = tmp_path_factory.mktemp("empty")
    directory.chmod(0o700)

    async def make() -> None:
        async with open_database(f"sqlite:///{directory}/empty.db") as database:
            await upgrade(database)

    asyncio.run(make())
    yield directory / "empty.db"


async def tell(path: Path, acts: list[tuple[str, int]]) -> None:
    async with open_database(f"sqlite:///{path}") as database:
        story = Story(Records(database))
        await story.records.furnish()
        await story.records.around.worker("v")
        for act in acts:
            await story.act(*act)
        await story.check()


@settings(max_examples=25, deadline=None)
@given(acts=st.lists(ACTS, min_size=20, max_size=45))
def test_any_order_loses_and_doubles_nothing(empty: Path, acts: list[tuple[str, int]]) -> None:
    copy = shutil.copyfile(empty, empty.parent / "story.db")
    copy.chmod(0o600)
    try:
        asyncio.run(tell(copy, acts))
    finally:
        for left in empty.parent.glob("story.db*"):
            left.unlink()


@pytest.mark.anyio
async def test_many_at_once_lose_and_double_nothing(records: Records) -> None:
    """Real concurrency: makers and workers, each with connections of its own where the database has them."""
    await records.around.worker("v")
    builds, chance = 30, random.Random(7)
    done: list[Fence] = []

    async def maker(first: int) -> None:
        for number in range(first, builds, 3):
            both = [records.make(f"b{number}", delivery=f"push:{number}") for _ in range(2)]
            assert len(set(await asyncio.gather(*both))) == 1

    async def worker(name: str) -> None:
        while len(done) < builds:
            claim = await records.queue.claim(name)
            if claim is None:
                await asyncio.sleep(0.01)
                continue
            said = [progress(*[StepState.PASSED] * number) for number in (1, 3, 4)]
            chance.shuffle(said)
            assert all(await asyncio.gather(*(records.builds.progress(claim.fence, one) for one in said)))
            told = Ended(Outcome.GREEN, "", claim.fence.build.encode(), "key")
            assert all(await asyncio.gather(*(records.builds.end(claim.fence, told) for _ in range(2))))
            assert not await records.builds.progress(claim.fence, said[0])
            done.append(claim.fence)

    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        for first in range(3):
            group.create_task(maker(first))
        for name in ("w", "w", "v"):
            group.create_task(worker(name))
    assert len({fence.build for fence in done}) == len(done) == builds
    page = await records.builds.page(records.account, BuildFilter(limit=100))
    assert sorted(view.number for view in page) == list(range(1, builds + 1))
    assert all(view.attempt == 1 and view.outcome is Outcome.GREEN for view in page)
    for view in page:
        assert await records.builds.receipt(records.account, view.id) == view.id.encode()
    await records.around.check()
