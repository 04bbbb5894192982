"""Requests that are sent twice with one key."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import pytest

from sealock.core.errors import UsageError
from sealock.store.database.engine import Database
from sealock.store.database.idempotency import (
    ABANDONED,
    KEPT_FOR,
    LONGEST_ANSWER,
    DatabaseIdempotency,
)

pytestmark = pytest.mark.anyio
REQUEST, OTHER = sha256(b"request").digest(), sha256(b"other").digest()


class Kept(DatabaseIdempotency):
    """With a clock that tests turn."""

    def __init__(self, database: Database) -> None:
        self.now = 1_800_000_000.0
        super().__init__(database, lambda: self.now)


@pytest.fixture
def kept(database: Database) -> Kept:
    return Kept(database)


async def test_of_requests_at_once_one_is_done(kept: Kept) -> None:
    begun = await asyncio.gather(*(kept.begin("ada", "k", REQUEST) for _ in range(5)))
    assert sorted(map(bool, begun)) == [False] * 4 + [True]
    await kept.finish("ada", "k", 201, b"made \0")
    assert await kept.begin("ada", "k", REQUEST) == (201, b"made \0")
    assert await kept.begin("bob", "k", REQUEST) is True, "whose key it is counts"
    assert await kept.begin("ada", "K", REQUEST) is True


async def test_a_key_is_of_one_request(kept: Kept) -> None:
    assert await kept.begin("ada", "k", REQUEST) is True
    for _ in range(2):
        with pytest.raises(UsageError, match="used for another request"):
            await kept.begin("ada", "k", OTHER)
        await kept.finish("ada", "k", 200, b"")


async def test_what_failed_may_be_sent_again_and_what_was_done_may_not(kept: Kept) -> None:
    assert await kept.begin("ada", "k", REQUEST) is True
    await kept.give_up("bob", "k")
    assert await kept.begin("ada", "k", REQUEST) is False
    await kept.give_up("ada", "k")
    assert await kept.begin("ada", "k", OTHER) is True
    await kept.finish("ada", "k", 200, b"done")
    await kept.give_up("ada", "k")
    assert await kept.begin("ada", "k", OTHER) == (200, b"done")


async def test_it_is_forgotten_after_a_day(kept: Kept) -> None:
    await kept.begin("ada", "k", REQUEST)
    await kept.finish("ada", "k", 200, b"done")
    kept.now += KEPT_FOR - 1
    assert await kept.begin("ada", "k", REQUEST) == (200, b"done")
    kept.now += 2
    assert await kept.begin("ada", "k", OTHER) is True


async def test_what_a_killed_website_was_at_is_done_anew_by_one(kept: Kept) -> None:
    assert await kept.begin("ada", "k", REQUEST) is True
    kept.now += ABANDONED - 1
    assert await kept.begin("ada", "k", REQUEST) is False
    kept.now += 2
    with pytest.raises(UsageError, match="used for another request"):
        await kept.begin("ada", "k", OTHER)
    begun = await asyncio.gather(*(kept.begin("ada", "k", REQUEST) for _ in range(5)))
    assert sorted(begun) == [False] * 4 + [True]
    await kept.finish("ada", "k", 201, b"made")
    kept.now += 2 * ABANDONED
    assert await kept.begin("ada", "k", REQUEST) == (201, b"made")


@pytest.mark.parametrize("key", ["", "k" * 256, "a\0b", "é", "a\nb"])
async def test_what_cannot_be_a_key_is_refused(kept: Kept, key: str) -> None:
    with pytest.raises(UsageError, match="cannot be an idempotency key"):
        await kept.begin("ada", key, REQUEST)


async def test_an_answer_that_is_too_long_is_not_kept_in_part(kept: Kept) -> None:
    await kept.begin("ada", "k", REQUEST)
    with pytest.raises(ValueError, match="too long"):
        await kept.finish("ada", "k", 200, bytes(LONGEST_ANSWER + 1))
    assert await kept.begin("ada", "k", REQUEST) is False
