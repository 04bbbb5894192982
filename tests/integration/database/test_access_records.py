"""People, sessions and tokens in both databases: what every place that keeps them does, and what only this
one has to be asked."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from sealock.core.access import AccessRecords, Membership, OneTime, Purpose
from sealock.core.grant import Role
from sealock.store.database.access import DatabaseAccess
from sealock.store.database.engine import Database
from tests.contract import test_access_records as contract
from tests.contract.test_access_records import ADA, session, token

pytestmark = pytest.mark.anyio
globals().update({name: test for name, test in vars(contract).items() if name.startswith("test_")})


@pytest.fixture
def records(database: Database) -> AccessRecords:
    return DatabaseAccess(database)


async def test_of_many_at_once_one_is_first(records: AccessRecords, database: Database) -> None:
    async with AsyncExitStack() as connected:  # so that none has to connect first
        for _ in range(8):
            await connected.enter_async_context(database.read())
    many = [replace(ADA, id=f"{n:032x}", email=f"{n}@example.com") for n in range(8)]
    first = await asyncio.gather(*(records.add_first_person(person, "hash") for person in many))
    assert sum(first) == 1


async def test_roles_of_accounts_and_of_none_come_back(records: AccessRecords) -> None:
    held = (Membership("", Role.OPERATOR), Membership("local", Role.BILLING), Membership("local", Role.OWNER))
    assert await records.add_person(replace(ADA, memberships=held), "hash")
    assert await records.person(ADA.id) == replace(ADA, memberships=held)


@pytest.mark.parametrize(
    "wrong",
    [
        Membership("", Role.OWNER),
        Membership("local", Role.OPERATOR),
        Membership("local", Role.CREW),
        Membership("local", Role.GUEST),
        Membership("nowhere", Role.OWNER),
    ],
    ids=str,
)
async def test_a_role_where_it_cannot_be_is_refused(records: AccessRecords, wrong: Membership) -> None:
    with pytest.raises(IntegrityError):
        await records.add_person(replace(ADA, memberships=(wrong,)), "hash")
    assert not await records.anybody()


async def test_nobody_has_no_session_and_no_token(records: AccessRecords) -> None:
    with pytest.raises(IntegrityError):
        await records.add_session(session("one"))
    with pytest.raises(IntegrityError):
        await records.add_token(token("one"))
    assert await records.sessions_of(ADA.id) == []


async def test_a_digest_that_is_none_is_refused(records: AccessRecords) -> None:
    await records.add_person(ADA, "hash")
    for digest in (b"", b"short", b"1" * 33):
        with pytest.raises(IntegrityError):
            await records.add_session(replace(session("one"), digest=digest))


async def test_of_many_links_at_once_one_is_left(records: AccessRecords) -> None:
    links = [OneTime(bytes([n]) * 32, Purpose.SETUP, "", 2000.0) for n in range(8)]
    await asyncio.gather(*(records.add_one_time(link) for link in links))
    taken = [await records.take_one_time(link.digest, link.purpose, 1000.0) for link in links]
    assert sum(one is not None for one in taken) == 1
