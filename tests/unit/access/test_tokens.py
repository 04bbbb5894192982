"""Tokens of the API: what they may do, when they end, and what is kept of them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace

import pytest

from sealock.access.memory import MemoryAccess
from sealock.access.tokens import LONGEST_LIFE, Tokens, is_whole, new_text
from sealock.core.access import (
    ROLE_PERMISSIONS,
    Membership,
    Permission,
    Person,
    may,
    token_may,
)
from sealock.core.errors import UsageError
from sealock.core.grant import CONTENT_ROLES, Role

pytestmark = pytest.mark.anyio
ADA = Person("a" * 32, "ada@example.com", "Ada", (Membership("acme", Role.MEMBER),), 0.0)
BEN = Person("b" * 32, "ben@example.com", "Ben", (Membership("acme", Role.OWNER),), 0.0)


@pytest.fixture
async def tokens(records: MemoryAccess, clock: Callable[[], float]) -> Tokens:
    for person in (ADA, BEN):
        await records.add_person(person, "hash")
    return Tokens(records, clock)


async def made(tokens: Tokens, *permissions: Permission) -> str:
    wanted = permissions or (Permission.BUILDS_READ,)
    return (await tokens.make(ADA, "acme", "deploys", wanted, 1))[1].reveal().decode()


async def test_a_token_acts_for_its_person_in_what_it_was_made_for(tokens: Tokens) -> None:
    used = await tokens.read(await made(tokens, Permission.BUILDS_READ))
    assert used is not None and used.person == ADA
    assert token_may(used.token, used.person, "acme", Permission.BUILDS_READ)
    assert not token_may(used.token, used.person, "acme", Permission.LOGS_READ)
    assert not token_may(used.token, used.person, "other", Permission.BUILDS_READ)
    assert not token_may(used.token, BEN, "acme", Permission.BUILDS_READ)


async def test_a_token_can_do_no_more_than_its_person(tokens: Tokens) -> None:
    """The attack: a member makes a token with an owner's permission; or keeps one after losing the role."""
    with pytest.raises(UsageError, match="account:secrets:write"):
        await made(tokens, Permission.SECRETS_WRITE)
    used = await tokens.read(await made(tokens))
    assert used is not None
    for memberships in ((), (Membership("acme", Role.BILLING),), (Membership("", Role.OWNER),)):
        gone = replace(ADA, memberships=memberships)
        assert not token_may(used.token, gone, "acme", Permission.BUILDS_READ)


@pytest.mark.parametrize("elsewhere", ["other", ""])
async def test_a_token_of_one_account_opens_nothing_in_another_of_the_same_person(
    tokens: Tokens, records: MemoryAccess, elsewhere: str
) -> None:
    """The attack: to use it where its person may do the same, but it was not made for."""
    memberships = Membership("acme", Role.OWNER), Membership(elsewhere, Role.OWNER)
    both = replace(ADA, id="d" * 32, email="both@example.com", memberships=memberships)
    await records.add_person(both, "hash")
    token, _ = await tokens.make(both, "acme", "deploys", {Permission.BUILDS_READ}, 1)
    assert may(both, elsewhere, Permission.BUILDS_READ), "else the token would not be what stops it"
    assert not token_may(token, both, elsewhere, Permission.BUILDS_READ)
    assert token_may(token, both, "acme", Permission.BUILDS_READ)


async def test_a_token_reaches_the_installation_only_for_what_is_the_installations(
    tokens: Tokens, records: MemoryAccess
) -> None:
    """The attack: a token of an account that is used as if it were of none."""
    memberships = Membership("acme", Role.OWNER), Membership("", Role.OPERATOR)
    operator = replace(ADA, id="c" * 32, email="op@example.com", memberships=memberships)
    await records.add_person(operator, "hash")
    wanted = {Permission.WORKERS_WRITE, Permission.BUILDS_READ}
    token, _ = await tokens.make(operator, "acme", "both", wanted, 1)
    assert token_may(token, operator, "", Permission.WORKERS_WRITE)
    assert not token_may(token, operator, "acme", Permission.WORKERS_WRITE)
    assert not token_may(token, operator, "", Permission.BUILDS_READ)
    assert not token_may(token, replace(operator, memberships=memberships[:1]), "", Permission.WORKERS_WRITE)
    with pytest.raises(UsageError, match="installation:workers:write"):
        await tokens.make(BEN, "acme", "too much", wanted, 1)


async def test_a_token_ends_by_time_and_by_hand(tokens: Tokens, clock: object) -> None:
    text, other = await made(tokens), await made(tokens)
    (newest, *_) = await tokens.all_of(ADA)
    assert not await tokens.revoke(BEN, newest.id)
    assert await tokens.revoke(ADA, newest.id)
    live = [one for one in (text, other) if await tokens.read(one)]
    assert len(live) == 1
    clock.now += 24 * 3600  # type: ignore[attr-defined]
    assert await tokens.read(live[0]) is None and await tokens.all_of(ADA) == []


async def test_the_records_hold_no_token(tokens: Tokens, records: MemoryAccess) -> None:
    text = await made(tokens)
    kept = pickle.dumps(records.__dict__)
    assert text.encode() not in kept and text[4:47].encode() not in kept


async def test_a_disabled_person_has_no_token(tokens: Tokens, records: MemoryAccess) -> None:
    text = await made(tokens)
    records._people[ADA.id] = replace(ADA, disabled=True), "hash"
    assert await tokens.read(text) is None


async def test_only_what_could_be_one_is_looked_up(tokens: Tokens) -> None:
    text = await made(tokens)
    assert text.startswith("slk_") and is_whole(text)
    changed = {text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :] for place in range(54)}
    for wrong in (*changed, text + "\n", " " + text, text.upper(), text[:-1], ""):
        assert not is_whole(wrong)
    assert await tokens.read(new_text()) is None


@pytest.mark.parametrize(
    ("name", "permissions", "days"),
    [
        ("", {Permission.BUILDS_READ}, 1),
        ("x" * 101, {Permission.BUILDS_READ}, 1),
        ("a\nb", {Permission.BUILDS_READ}, 1),
        ("ok", set(), 1),
        ("ok", {Permission.BUILDS_READ}, 0),
        ("ok", {Permission.BUILDS_READ}, LONGEST_LIFE + 1),
        ("ok", {Permission.BUILDS_READ}, -1),
    ],
)
async def test_what_makes_no_token(
    tokens: Tokens, name: str, permissions: set[Permission], days: int
) -> None:
    with pytest.raises(UsageError):
        await tokens.make(ADA, "acme", name, permissions, days)


@pytest.mark.parametrize("role", Role)
def test_only_members_have_anything_of_an_accounts_content(role: Role) -> None:
    """P10: no role of the operator's reads logs, whatever else it may do."""
    content = {
        Permission.LOGS_READ,
        Permission.PROJECTS_READ,
        Permission.BUILDS_READ,
        Permission.SECRETS_WRITE,
    }
    assert role in CONTENT_ROLES or not ROLE_PERMISSIONS[role] & content


def test_no_role_is_no_permission() -> None:
    person = replace(ADA, memberships=())
    assert not any(may(person, account, one) for one in Permission for account in ("", "acme"))
    assert not may(replace(ADA, disabled=True), "acme", Permission.BUILDS_READ)
