"""Work is cancelled once, and waited for however often it is asked to stop."""

from __future__ import annotations

import asyncio

import pytest

from sealock.builds.patience import cancelled_once

pytestmark = pytest.mark.anyio


async def test_the_result_and_the_error_of_the_work_come_through() -> None:
    async def work(fails: bool) -> int:
        await asyncio.sleep(0)
        return 1 // (not fails)

    assert await cancelled_once(work(False)) == 1
    with pytest.raises(ZeroDivisionError):
        await cancelled_once(work(True))


async def test_the_end_is_not_cut_short_by_being_asked_again() -> None:
    seen: list[str] = []
    started = asyncio.Event()

    async def work() -> str:
        try:
            started.set()
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
        await asyncio.sleep(0.05)
        seen.append("ended")
        return "result"

    task = asyncio.create_task(cancelled_once(work()))
    await started.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.005)
    assert await task == "result"
    assert seen == ["cancelled", "ended"]
    assert task.cancelling() == 0


async def test_work_that_does_not_answer_a_cancellation_raises_it() -> None:
    task = asyncio.create_task(cancelled_once(asyncio.sleep(60)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
