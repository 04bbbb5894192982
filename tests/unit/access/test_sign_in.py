"""Signing in and setting up: one answer for strangers, one link, one first owner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest
from argon2 import PasswordHasher

from sealock.access.memory import MemoryAccess
from sealock.access.passwords import Passwords
from sealock.access.sign_in import SETUP_LIFE, Setup, SignIn, address_of
from sealock.core.access import Permission, Person, may
from sealock.core.decision import Denied
from sealock.core.errors import UsageError
from sealock.core.secret import Secret

pytestmark = pytest.mark.anyio
GOOD = Secret(b"correct horse battery")


@pytest.fixture
def setup(records: MemoryAccess, passwords: Passwords, clock: Callable[[], float]) -> Setup:
    return Setup(records, passwords, clock)


@pytest.fixture
async def ada(setup: Setup) -> Person:
    person = await setup.finish(await link(setup), "Ada@Example.com", "Ada", GOOD)
    assert isinstance(person, Person)
    return person


async def link(setup: Setup) -> str:
    value = await setup.begin()
    assert value is not None
    return value.reveal().decode()


async def test_the_link_makes_the_first_owner_and_works_once(setup: Setup) -> None:
    value = await link(setup)
    person = await setup.finish(value, "ada@example.com", "Ada", GOOD)
    assert isinstance(person, Person) and may(person, "local", Permission.MEMBERS_WRITE)
    assert isinstance(await setup.finish(value, "eve@example.com", "Eve", GOOD), Denied)
    assert await setup.begin() is None


async def test_two_who_use_the_link_at_once_are_not_both_owner(setup: Setup) -> None:
    """The attack: to race the owner for the link."""
    value = await link(setup)
    both = await asyncio.gather(
        *(setup.finish(value, f"{name}@example.com", name, GOOD) for name in ("ada", "eve"))
    )
    assert sum(isinstance(one, Person) for one in both) == 1


async def test_no_other_link_works(setup: Setup, clock: object) -> None:
    old = await link(setup)
    new = await link(setup)
    for value in ("", old, new + "x", new[:-1]):
        assert isinstance(await setup.finish(value, "eve@example.com", "Eve", GOOD), Denied)
    clock.now += SETUP_LIFE  # type: ignore[attr-defined]
    assert isinstance(await setup.finish(new, "eve@example.com", "Eve", GOOD), Denied)


@pytest.mark.parametrize(
    ("email", "name", "password"),
    [("nonsense", "Ada", GOOD), ("ada@example.com", "", GOOD), ("ada@example.com", "Ada", Secret(b"short"))],
)
async def test_a_slip_does_not_use_the_link_up(setup: Setup, email: str, name: str, password: Secret) -> None:
    value = await link(setup)
    with pytest.raises(UsageError):
        await setup.finish(value, email, name, password)
    assert isinstance(await setup.finish(value, "ada@example.com", "Ada", GOOD), Person)


async def test_the_right_password_signs_in(records: MemoryAccess, passwords: Passwords, ada: Person) -> None:
    sign_in = SignIn(records, passwords)
    assert await sign_in.check(" ADA@example.com", GOOD) == ada


async def test_a_stranger_is_told_the_same_whoever_they_try(
    records: MemoryAccess, passwords: Passwords, ada: Person
) -> None:
    sign_in = SignIn(records, passwords)
    tries = [(ada.email, b"wrong password"), ("eve@example.com", b"any"), ("nonsense", b"any"), ("", b"")]
    answers = [await sign_in.check(email, Secret(password)) for email, password in tries]
    assert len(set(answers)) == 1 and isinstance(answers[0], Denied)


class Counted(PasswordHasher):
    """How often it was asked for work."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.times = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.times += 1
        return super().verify(hash, password)


async def test_whoever_is_named_there_is_the_same_to_do(records: MemoryAccess, ada: Person) -> None:
    """The attack: to learn by the time it takes which addresses have an account."""
    hasher = Counted()
    sign_in = SignIn(records, Passwords(hasher))
    for asked, email in enumerate((ada.email, "eve@example.com", "no address"), start=1):
        assert isinstance(await sign_in.check(email, Secret(b"not the right one")), Denied)
        assert hasher.times == asked, email


async def test_a_disabled_person_does_not_sign_in(
    records: MemoryAccess, passwords: Passwords, ada: Person
) -> None:
    records._people[ada.id] = replace(ada, disabled=True), records._people[ada.id][1]
    assert isinstance(await SignIn(records, passwords).check(ada.email, GOOD), Denied)


async def test_signing_in_brings_an_old_hash_up_to_date(
    records: MemoryAccess, passwords: Passwords, ada: Person
) -> None:
    harder = Passwords(PasswordHasher(time_cost=2, memory_cost=128, parallelism=1))
    before = records._people[ada.id][1]
    assert await SignIn(records, harder).check(ada.email, GOOD) == ada
    assert records._people[ada.id][1] != before and not harder.outdated(records._people[ada.id][1])


async def test_changing_the_password_needs_the_old_one(
    records: MemoryAccess, passwords: Passwords, ada: Person
) -> None:
    sign_in, new = SignIn(records, passwords), Secret(b"another long one")
    assert not await sign_in.change_password(ada, Secret(b"a guess"), new)
    assert await sign_in.check(ada.email, GOOD) == ada
    with pytest.raises(UsageError):
        await sign_in.change_password(ada, GOOD, Secret(b"short"))
    assert await sign_in.change_password(ada, GOOD, new)
    assert await sign_in.check(ada.email, new) == ada
    assert isinstance(await sign_in.check(ada.email, GOOD), Denied)


@pytest.mark.parametrize(
    "text", ["", "a", "@", "a@", "@b", "a b@c", "a@b\n<x>", "a@b@c", "x" * 65 + "@b", "a@" + "b" * 253]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError):
        address_of(text)
