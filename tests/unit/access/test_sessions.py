"""Sessions: made new at sign-in, ended by time and by hand, unreadable where they are kept."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace

import pytest

from sealock.access.memory import MemoryAccess
from sealock.access.sessions import ABSOLUTE, IDLE, Sessions
from sealock.core.access import Person

pytestmark = pytest.mark.anyio
ADA = Person("a" * 32, "ada@example.com", "Ada", (), 0.0)
BEN = Person("b" * 32, "ben@example.com", "Ben", (), 0.0)


@pytest.fixture
async def sessions(records: MemoryAccess, clock: Callable[[], float]) -> Sessions:
    for person in (ADA, BEN):
        await records.add_person(person, "hash")
    return Sessions(records, clock)


async def begun(sessions: Sessions, person: Person = ADA, before: str | None = None) -> str:
    return (await sessions.begin(person, before=before, agent="a browser")).reveal().decode()


async def test_a_session_says_whose_it_is(sessions: Sessions) -> None:
    found = await sessions.read(await begun(sessions))
    assert found is not None and found.person == ADA and found.session.agent == "a browser"


async def test_each_has_256_random_bits_and_none_is_like_another(sessions: Sessions) -> None:
    values = {await begun(sessions) for _ in range(50)}
    assert len(values) == 50 and {len(value) for value in values} == {43}


async def test_the_records_do_not_open_a_session(sessions: Sessions, records: MemoryAccess) -> None:
    """The attack: to read the records, and sign in with what stands there."""
    value = await begun(sessions)
    kept = pickle.dumps(records.__dict__)
    assert value.encode() not in kept
    (record,) = await records.sessions_of(ADA.id)
    for stolen in (record.id, record.digest.hex(), record.digest.decode("latin-1")):
        assert await sessions.read(stolen) is None


async def test_signing_in_takes_over_no_session_that_was_there(sessions: Sessions) -> None:
    """The attack: to plant a session in somebody's browser, and wait until they sign in with it."""
    planted = await begun(sessions, BEN)
    value = await begun(sessions, ADA, before=planted)
    assert value != planted
    assert await sessions.read(planted) is None
    assert await begun(sessions, ADA, before="never a session") != "never a session"
    assert await sessions.read("never a session") is None


async def test_a_session_ends_when_it_is_not_used(sessions: Sessions, clock: object) -> None:
    value = await begun(sessions)
    clock.now += IDLE - 1  # type: ignore[attr-defined]
    assert await sessions.read(value)
    clock.now += IDLE - 1  # type: ignore[attr-defined]
    assert await sessions.read(value), "use puts the end off"
    clock.now += IDLE  # type: ignore[attr-defined]
    assert await sessions.read(value) is None
    clock.now -= IDLE  # type: ignore[attr-defined]
    assert await sessions.read(value) is None, "what has ended does not come back with the clock"


async def test_a_session_ends_however_much_it_is_used(sessions: Sessions, clock: object) -> None:
    value, used = await begun(sessions), 0
    while await sessions.read(value):
        clock.now += IDLE / 2  # type: ignore[attr-defined]
        used += 1
    assert used == -(-ABSOLUTE // (IDLE / 2))


async def test_the_list_shows_live_sessions_and_each_can_be_ended(sessions: Sessions, clock: object) -> None:
    await begun(sessions)
    clock.now += IDLE  # type: ignore[attr-defined]
    here, there = await begun(sessions), await begun(sessions)
    found = await sessions.read(here)
    assert found is not None
    listed = await sessions.all_of(ADA)
    assert len(listed) == 2
    other = next(one for one in listed if one.id != found.session.id)
    assert not await sessions.revoke(BEN, other.id), "somebody else's is not theirs to end"
    assert await sessions.read(there)
    assert await sessions.revoke(ADA, other.id)
    assert await sessions.read(there) is None and await sessions.read(here)


async def test_a_new_password_ends_the_other_sessions(sessions: Sessions) -> None:
    here, there, others = await begun(sessions), await begun(sessions), await begun(sessions, BEN)
    found = await sessions.read(here)
    assert found is not None and await sessions.revoke_others(ADA, found.session) == 1
    assert [bool(await sessions.read(one)) for one in (here, there, others)] == [True, False, True]


async def test_signing_out_ends_it(sessions: Sessions) -> None:
    value = await begun(sessions)
    await sessions.end(value)
    await sessions.end(value)
    assert await sessions.read(value) is None


async def test_a_disabled_person_has_no_session(sessions: Sessions, records: MemoryAccess) -> None:
    value = await begun(sessions)
    records._people[ADA.id] = replace(ADA, disabled=True), "hash"
    assert await sessions.read(value) is None


@pytest.mark.parametrize("value", ["", "\0", "é" * 43, "x" * 100_000, "\udcff"])
async def test_anything_may_be_asked_about(sessions: Sessions, value: str) -> None:
    assert await sessions.read(value) is None
