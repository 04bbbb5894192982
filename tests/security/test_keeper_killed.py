"""kill -9 of the keeper in the middle of requests: nothing leaves unwritten, nothing once leaves twice."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sealock.core.lease import KeeperAway, Refused
from sealock.core.release import Entry, Released
from sealock.core.sealed import Sealed
from sealock.keeper import protocol
from sealock.keeper.sealing import new_pair
from sealock.ledger.releases import read_entries
from tests.support.keeper import BUILDER, SSH_KEY, TOKEN, signed_issue, terms
from tests.support.keeper_process import AS_RUN, RunningKeeper, seal_for

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
TIMES = 50


@dataclass
class Received:
    """What came back to those who asked. leases: to be used again after the keeper is back."""

    handed: list[protocol.HandedValue] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    leases: list[str] = field(default_factory=list)


async def _one_build(keeper: RunningKeeper, build: str, key: Sealed, token: Sealed, got: Received) -> None:
    client = keeper.client()
    asked = signed_issue(terms(build), BUILDER, new_pair()[1], await AS_RUN.known_at(BUILDER, client.ask))
    issued = await client.ask(asked)
    assert isinstance(issued, protocol.Issued)
    got.leases.append(issued.lease)
    for sealed, step in ((key, ""), (token, "test:unit"), (token, "deploy:live")):
        nonce = os.urandom(16)
        reply = await client.ask(protocol.Open(sealed=(sealed,), step=step, lease=issued.lease, nonce=nonce))
        assert isinstance(reply, protocol.Handed)
        got.handed += reply.values
        if sealed is key:
            got.fetched.append(issued.lease)


async def _builds(keeper: RunningKeeper, name: str, key: Sealed, token: Sealed, got: Received) -> None:
    with suppress(KeeperAway):
        for number in range(1000):
            await _one_build(keeper, f"{name}-{number}", key, token, got)


async def _fetch_again(keeper: RunningKeeper, lease: str, key: Sealed) -> bool:
    """Whether the key was handed out for that lease, now that the keeper is back."""
    try:
        await keeper.client().ask(protocol.Open(sealed=(key,), lease=lease, nonce=os.urandom(16)))
    except Refused:
        return False
    return True


@asynccontextmanager
async def _asking(
    keeper: RunningKeeper, round_: int, things: tuple[Sealed, Sealed]
) -> AsyncIterator[Received]:
    got = Received()
    asking = [asyncio.create_task(_builds(keeper, f"r{round_}-{n}", *things, got)) for n in range(3)]
    yield got
    await asyncio.gather(*asking)


async def _handed(got: Received, count: int) -> None:
    """Wait until so many values have come back."""
    async with asyncio.timeout(120):
        while len(got.handed) < count:  # noqa: ASYNC110 - others ask
            await asyncio.sleep(0.001)


def _releases(path: Path) -> list[Entry]:
    return [entry for entry in read_entries(path) if isinstance(entry.fact, Released)]


async def test_killed_at_random_points_it_hands_out_nothing_unwritten_and_nothing_twice(
    tmp_path: Path,
) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    things: tuple[Sealed, Sealed] | None = None
    received: list[protocol.HandedValue] = []
    again: list[str] = []
    for round_ in range(TIMES):
        keeper = RunningKeeper(tmp_path)
        try:
            keeper.wait_until_it_serves()
            things = things or (seal_for(tmp_path, SSH_KEY, b"key"), seal_for(tmp_path, TOKEN, b"token"))
            # What was recorded before the kill is not handed out a second time after it.
            for lease in again:
                assert not await _fetch_again(keeper, lease, things[0]), f"seed {seed}"
            async with _asking(keeper, round_, things) as got:
                if round_ % 2:  # at the moments of the others there may be nothing yet
                    await _handed(got, 3)
                await asyncio.sleep(chance.uniform(0.0, 0.12))
                keeper.process.kill()
        finally:
            keeper.end(kill=True)
        received += got.handed
        again = got.fetched[-3:]
    entries = _releases(keeper.ledger)
    by_sequence = {entry.sequence: entry for entry in entries}
    assert len(received) > TIMES, f"seed {seed}: too little was going on"
    assert Counter(reply.entry for reply in received).most_common(1)[0][1] == 1
    for reply in received:
        assert by_sequence[reply.entry].digest == reply.digest, f"seed {seed}"
    fetched = Counter(
        e.fact.reason for e in entries if isinstance(e.fact, Released) and e.fact.kind == "ssh-key"
    )
    assert set(fetched.values()) == {1}, f"seed {seed}"
