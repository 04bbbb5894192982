"""How long a worker believes that it has a build while the website is away."""

from __future__ import annotations

import asyncio
import time

import pytest

from sealock.core.queue import Beat
from sealock.link.beating import Beats
from sealock.link.errors import WebsiteAway
from tests.support.leaping import leaping

LEASE = 1.2


class Website:
    """Holds its answers back, and is away from one moment to another, what it held among it. It knows of no
    reason for a build to end, until `over`; seconds from its making."""

    def __init__(self, away: tuple[float, float], over: float) -> None:
        self._began = time.monotonic()
        self._away, self._over = away, over

    async def beat(self, wait: float) -> Beat:
        until = self._now + wait
        while True:
            if self._away[0] <= self._now < self._away[1]:
                raise WebsiteAway("it was killed")
            if self._now >= self._over:
                return Beat.CANCEL
            if self._now >= until:
                return Beat.OK
            await asyncio.sleep(0.01)

    @property
    def _now(self) -> float:
        return time.monotonic() - self._began


def test_a_website_that_was_away_for_a_moment_costs_no_build() -> None:
    """Killed while it held the second answer, and back before the lease ends that the first one gave: but
    holding back the next would take too long."""

    async def work() -> Beat:
        website = Website(away=(0.7 * LEASE - 0.1, 0.7 * LEASE), over=2.5 * LEASE)
        return await Beats(website.beat, LEASE).until_told()

    assert leaping(work()) is Beat.CANCEL


def test_nor_does_one_that_is_away_for_longer_than_the_lease_as_it_said_it_may_be() -> None:
    async def work() -> Beat:
        website = Website(away=(0.1, 2 * LEASE), over=2.5 * LEASE)
        return await Beats(website.beat, LEASE, 2 * LEASE).until_told()

    assert leaping(work()) is Beat.CANCEL


async def lost_after(away: float) -> float:
    """Seconds until a build is lost whose website said it may be away so long, and is away for good."""
    website, before = Website(away=(0.1, 10.0), over=20.0), time.monotonic()
    assert await Beats(website.beat, LEASE, away).until_told() is Beat.LOST
    return time.monotonic() - before


@pytest.mark.parametrize("away", [0.0, LEASE])
def test_one_that_is_away_for_the_lease_and_longer_than_it_said_does(away: float) -> None:
    assert LEASE + away - 0.01 <= leaping(lost_after(away)) < LEASE + away + 0.3
