"""A program we started is ended by what names it alone, and left alone once it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sealock.machines.child import Child, spawn

pytestmark = pytest.mark.anyio


@pytest.fixture
async def two() -> AsyncIterator[tuple[Child, Child]]:
    both = spawn(["sleep", "60"], pass_fds=[], mark={}), spawn(["sleep", "60"], pass_fds=[], mark={})
    pids = [one.pid for one in both]
    yield both
    for one, pid in zip(both, pids, strict=True):
        one.pid = pid
        one._process.kill()
        await one.reaped()


async def test_it_is_ended_and_nobody_who_has_its_number_by_now(two: tuple[Child, Child]) -> None:
    """The attack: numbers of processes are used again, and a machine's may be another's."""
    one, other = two
    number, one.pid = one.pid, other.pid
    one.kill()
    async with asyncio.timeout(10):
        await one.ended()
    one.pid = number
    assert (await one.reaped()).exit_code == -9
    assert other._process.poll() is None


async def test_one_that_has_ended_is_left_alone(two: tuple[Child, Child]) -> None:
    one, other = two
    one.kill()
    usage = await one.reaped()
    one.kill()
    assert await one.reaped() is usage
    assert other._process.poll() is None
