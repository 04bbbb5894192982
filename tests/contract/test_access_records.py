"""What every place that keeps people, sessions and tokens does. `RECORDS` names them all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from sealock.access.memory import MemoryAccess
from sealock.core.access import (
    AccessRecords,
    ApiToken,
    Membership,
    OneTime,
    Permission,
    Person,
    Purpose,
    WebSession,
)
from sealock.core.grant import Role

RECORDS: dict[str, Callable[[], AccessRecords]] = {"memory": MemoryAccess}
pytestmark = pytest.mark.anyio

ADA = Person("a" * 32, "ada@example.com", "Ada", (Membership("local", Role.OWNER),), 1000.0)
BEN = Person("b" * 32, "ben@example.com", "Ben", (), 1001.0)


@pytest.fixture(params=RECORDS)
def records(request: pytest.FixtureRequest) -> AccessRecords:
    return RECORDS[request.param]()


async def sign_up(records: AccessRecords) -> None:
    """A session or token is of somebody who is there."""
    assert await records.add_person(ADA, "hash")
    assert await records.add_person(BEN, "hash")


def session(name: str, person: Person = ADA, at: float = 1000.0) -> WebSession:
    return WebSession(name, name.encode().ljust(32), person.id, at, at, "a browser", "192.0.2.1")


def token(name: str, person: Person = ADA, at: float = 1000.0) -> ApiToken:
    permissions = frozenset({Permission.BUILDS_READ, Permission.LOGS_READ})
    return ApiToken(name, name.encode().ljust(32), person.id, "local", name, permissions, at, at + 60)


async def test_a_person_is_found_by_id_and_address(records: AccessRecords) -> None:
    assert not await records.anybody()
    assert await records.add_person(ADA, "hash")
    assert await records.anybody()
    assert await records.person(ADA.id) == ADA
    assert await records.person(BEN.id) is None
    assert await records.sign_in_of(ADA.email) == (ADA, "hash")
    assert await records.sign_in_of("nobody@example.com") is None


async def test_an_address_and_an_id_belong_to_one_person(records: AccessRecords) -> None:
    assert await records.add_person(ADA, "hash")
    assert not await records.add_person(replace(BEN, email=ADA.email), "other")
    assert not await records.add_person(replace(BEN, id=ADA.id), "other")
    assert await records.sign_in_of(ADA.email) == (ADA, "hash")
    assert await records.sign_in_of(BEN.email) is None


async def test_only_one_can_be_first(records: AccessRecords) -> None:
    first = await asyncio.gather(records.add_first_person(ADA, "a"), records.add_first_person(BEN, "b"))
    assert sorted(first) == [False, True]
    assert not await records.add_first_person(replace(BEN, id="c" * 32, email="c@example.com"), "c")


async def test_a_password_is_replaced(records: AccessRecords) -> None:
    await records.add_person(ADA, "old")
    await records.set_password_hash(ADA.id, "new")
    await records.set_password_hash(BEN.id, "nobody's")
    assert await records.sign_in_of(ADA.email) == (ADA, "new")
    assert await records.person(BEN.id) is None


async def test_sessions_are_found_by_digest_and_listed_newest_first(records: AccessRecords) -> None:
    await sign_up(records)
    old, new, others = session("old"), session("new", at=2000.0), session("other", BEN)
    for one in (old, new, others):
        await records.add_session(one)
    assert await records.session(old.digest) == old
    assert await records.session(b"\0" * 32) is None
    assert await records.sessions_of(ADA.id) == [new, old]


async def test_a_session_is_ended_by_its_own_person_only(records: AccessRecords) -> None:
    await sign_up(records)
    await records.add_session(session("one"))
    assert not await records.remove_session(BEN.id, "one")
    assert await records.sessions_of(ADA.id)
    assert await records.remove_session(ADA.id, "one")
    assert not await records.remove_session(ADA.id, "one")
    assert await records.session(session("one").digest) is None


async def test_all_sessions_but_one_are_ended(records: AccessRecords) -> None:
    await sign_up(records)
    for one in (session("one"), session("two"), session("three"), session("other", BEN)):
        await records.add_session(one)
    assert await records.remove_sessions(ADA.id, but="two") == 2
    assert [one.id for one in await records.sessions_of(ADA.id)] == ["two"]
    assert await records.remove_sessions(ADA.id) == 1
    assert [one.id for one in await records.sessions_of(BEN.id)] == ["other"]


async def test_the_time_of_use_never_goes_back(records: AccessRecords) -> None:
    await sign_up(records)
    await records.add_session(session("one", at=1000.0))
    await records.add_token(token("one"))
    for at in (1500.0, 1200.0):
        await records.see_session("one", at)
        await records.use_token("one", at)
    found, used = await records.session(session("one").digest), await records.token(token("one").digest)
    assert found is not None and found.seen_at == 1500.0
    assert used is not None and used.used_at == 1500.0


async def test_tokens_are_found_listed_and_ended_by_their_person(records: AccessRecords) -> None:
    await sign_up(records)
    old, new = token("old"), token("new", at=2000.0)
    for one in (old, new, token("other", BEN)):
        await records.add_token(one)
    assert await records.token(old.digest) == old
    assert await records.tokens_of(ADA.id) == [new, old]
    assert not await records.remove_token(BEN.id, "old")
    assert await records.remove_token(ADA.id, "old")
    assert await records.token(old.digest) is None
    assert not await records.remove_token(ADA.id, "old")


async def test_what_works_once_works_once(records: AccessRecords) -> None:
    one = OneTime(b"1" * 32, Purpose.JOIN, "builder-1", 2000.0)
    await records.add_one_time(one)
    takes = [records.take_one_time(one.digest, Purpose.JOIN, 1000.0) for _ in range(5)]
    assert sorted(await asyncio.gather(*takes), key=bool) == [None, None, None, None, one]


@pytest.mark.parametrize(
    ("digest", "purpose", "now"),
    [
        (b"2" * 32, Purpose.JOIN, 1000.0),
        (b"1" * 32, Purpose.SETUP, 1000.0),
        (b"1" * 32, Purpose.JOIN, 2000.0),
    ],
    ids=["another value", "another purpose", "too late"],
)
async def test_what_works_once_works_for_nothing_else(
    records: AccessRecords, digest: bytes, purpose: Purpose, now: float
) -> None:
    await records.add_one_time(OneTime(b"1" * 32, Purpose.JOIN, "builder-1", 2000.0))
    assert await records.take_one_time(digest, purpose, now) is None
    assert await records.take_one_time(b"1" * 32, Purpose.JOIN, 1000.0) is not None


async def test_a_new_one_ends_the_one_before_of_the_same_subject(records: AccessRecords) -> None:
    for digest, subject in ((b"1" * 32, "builder-1"), (b"2" * 32, "builder-1"), (b"3" * 32, "builder-2")):
        await records.add_one_time(OneTime(digest, Purpose.JOIN, subject, 2000.0))
    taken = [await records.take_one_time(bytes([n]) * 32, Purpose.JOIN, 1000.0) for n in b"123"]
    assert [one is not None for one in taken] == [False, True, True]
