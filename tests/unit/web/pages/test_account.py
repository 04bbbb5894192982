"""One's account: tokens, sessions, password, and the account itself."""

from __future__ import annotations

import re

import httpx2
import pytest

from sealock.core.access import Membership, Permission
from sealock.core.accounts import LONGEST_ACCOUNT_NAME
from sealock.core.grant import Role
from sealock.core.sealed import LOCAL_ACCOUNT
from tests.support.pages import Page
from tests.support.site import Site
from tests.support.website import PASSWORD

pytestmark = pytest.mark.anyio
TOKEN = {"token_name": "ci", "days": "30", "scope": ["account:builds:read", "account:logs:read"]}
NEW_PASSWORD = "nine purple elephants sing"


async def test_a_token_is_made_and_shown_once(site: Site, browser: httpx2.AsyncClient) -> None:
    answer = await browser.post("/account/tokens", data=TOKEN)
    (text,) = set(re.findall(r"slk_[A-Za-z0-9_-]+", answer.text))
    used = await site.tokens.read(text)
    assert used is not None
    assert used.token.permissions == {Permission.BUILDS_READ, Permission.LOGS_READ}
    page = (await browser.get("/account")).text
    assert "slk_" not in page and "See builds, Read logs" in page


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"token_name": ""}, "token_name"),
        ({"token_name": "a\x1bb"}, "token_name"),
        ({"days": "0"}, "days"),
        ({"days": "367"}, "days"),
        ({"scope": []}, "scope"),
        ({"scope": ["person:tokens:write"]}, "scope"),
        ({"scope": ["account:billing:write"]}, "scope"),
        ({"scope": ["account:builds:read", "x"]}, "scope"),
    ],
)
async def test_a_token_that_cannot_be_is_not_made(
    site: Site, browser: httpx2.AsyncClient, changed: dict[str, object], field: str
) -> None:
    answer = await browser.post("/account/tokens", data=TOKEN | changed)
    assert answer.status_code == 422 and Page(answer.text).by_id(f"{field}-fault") is not None
    assert not await site.tokens.all_of(site.owner) and "slk_" not in answer.text


async def test_a_token_never_has_more_than_its_person(site: Site) -> None:
    member = await site.add_person("mel@example.com", Membership(LOCAL_ACCOUNT, Role.MEMBER))
    async with site.browser(member) as browser:
        assert 'value="account:secrets:write"' not in (await browser.get("/account")).text
        answer = await browser.post("/account/tokens", data=TOKEN | {"scope": ["account:secrets:write"]})
        assert answer.status_code == 422
    assert not await site.tokens.all_of(member)


async def test_one_ends_one_s_own_tokens_and_sessions_alone(site: Site, browser: httpx2.AsyncClient) -> None:
    await site.token(person=site.stranger, account="other")
    (theirs,) = await site.tokens.all_of(site.stranger)
    await browser.post("/account/tokens", data=TOKEN)
    (mine,) = await site.tokens.all_of(site.owner)
    assert (await browser.post(f"/account/tokens/{theirs.id}/end")).status_code == 404
    assert (await browser.post(f"/account/tokens/{mine.id}/end")).status_code == 303
    async with site.browser(site.stranger) as other, site.browser() as second:
        (foreign,) = await site.sessions.all_of(site.stranger)
        assert (await browser.post(f"/account/sessions/{foreign.id}/end")).status_code == 404
        assert foreign.id not in (await browser.get("/account")).text
        newest = (await site.sessions.all_of(site.owner))[0]
        assert (await browser.post(f"/account/sessions/{newest.id}/end")).status_code == 303
        assert (await second.get("/account")).status_code == 303
        assert (await other.get("/account")).status_code == 200


async def test_a_new_password_ends_all_other_sessions(site: Site, browser: httpx2.AsyncClient) -> None:
    form = {"old": PASSWORD, "new": NEW_PASSWORD, "again": NEW_PASSWORD}
    async with site.browser() as other:
        assert (await browser.post("/account/password", data=form)).status_code == 303
        assert (await browser.get("/account")).status_code == 200
        assert (await other.get("/account")).status_code == 303
    async with site.client() as stranger:
        old = await stranger.post("/sign-in", data={"email": "ada@example.com", "password": PASSWORD})
        new = await stranger.post("/sign-in", data={"email": "ada@example.com", "password": NEW_PASSWORD})
    assert (old.status_code, new.status_code) == (401, 303)


@pytest.mark.parametrize(
    ("changed", "field"),
    [({"old": "wrong"}, "old"), ({"new": "short", "again": "short"}, "new"), ({"again": "x"}, "again")],
)
async def test_a_password_that_cannot_be_changes_nothing(
    site: Site, browser: httpx2.AsyncClient, changed: dict[str, str], field: str
) -> None:
    form = {"old": PASSWORD, "new": NEW_PASSWORD, "again": NEW_PASSWORD} | changed
    async with site.browser() as other:
        answer = await browser.post("/account/password", data=form)
        assert answer.status_code == 422 and Page(answer.text).by_id(f"{field}-fault") is not None
        assert PASSWORD not in answer.text and NEW_PASSWORD not in answer.text
        assert (await other.get("/account")).status_code == 200
    async with site.client() as stranger:
        same = await stranger.post("/sign-in", data={"email": "ada@example.com", "password": PASSWORD})
    assert same.status_code == 303


async def test_a_password_is_not_guessed_from_a_session(browser: httpx2.AsyncClient) -> None:
    form = {"new": NEW_PASSWORD, "again": NEW_PASSWORD}
    answers = [
        await browser.post("/account/password", data=form | {"old": f"guess {number}"})
        for number in range(11)
    ]
    assert [one.status_code for one in answers] == [422] * 10 + [429]


async def test_the_account_is_changed(site: Site, browser: httpx2.AsyncClient) -> None:
    assert (await browser.post("/account", data={"name": "Shop", "max_running": "3"})).status_code == 303
    account = await site.accounts.get(LOCAL_ACCOUNT)
    assert account is not None and (account.name, account.max_running) == ("Shop", 3)
    for wrong in ({"name": ""}, {"name": "x" * (LONGEST_ACCOUNT_NAME + 1)}, {"max_running": "-1"}):
        form = {"name": "x", "max_running": "3"} | wrong
        assert (await browser.post("/account", data=form)).status_code == 422
    assert await site.accounts.get(LOCAL_ACCOUNT) == account


async def test_a_name_that_the_api_takes_is_taken_here(site: Site, browser: httpx2.AsyncClient) -> None:
    name = "x" * LONGEST_ACCOUNT_NAME
    assert (await browser.patch(f"/api/v1/accounts/{LOCAL_ACCOUNT}", json={"name": name})).status_code == 200
    assert (await browser.post("/account", data={"name": name, "max_running": "3"})).status_code == 303
