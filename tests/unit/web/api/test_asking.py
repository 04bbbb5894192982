"""Who is let in: tokens that are none, cookies, other websites, and how often."""

from __future__ import annotations

import time

import httpx2
import pytest

from sealock.core.access import Membership, Permission
from sealock.core.grant import Role
from sealock.web import asking
from sealock.web.cookies import NAME
from sealock.web.rates import Rate
from tests.support.site import OTHER_ACCOUNT, Site

pytestmark = pytest.mark.anyio
HERE = "/api/v1/projects"


async def status(site: Site, **headers: str) -> int:
    async with site.client(**headers) as client:
        return (await client.get(HERE)).status_code


async def test_only_a_live_token_opens(site: Site) -> None:
    text = await site.token()
    assert await status(site, Authorization=f"Bearer {text}") == 200
    assert await status(site, Authorization=f"bearer {text}") == 200
    for wrong in (f"Basic {text}", f"Bearer {text}x", "Bearer", "Bearer ", f"Bearer {text} {text}", text):
        assert await status(site, Authorization=wrong) == 401, wrong


async def test_an_expired_and_a_revoked_token_open_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, other = await site.token(), await site.token()
    newest, _ = await site.tokens.all_of(site.owner)
    assert await site.tokens.revoke(site.owner, newest.id)
    assert sorted([await status(site, Authorization=f"Bearer {one}") for one in (text, other)]) == [200, 401]
    monkeypatch.setattr(site.tokens, "_clock", lambda: time.time() + 31 * 24 * 3600)
    assert await status(site, Authorization=f"Bearer {text}") == 401
    assert await status(site, Authorization=f"Bearer {other}") == 401


async def test_two_tokens_are_none(site: Site) -> None:
    """The attack: a proxy looks at the first of two headers, we at the second."""
    text = await site.token()
    async with site.client() as client:
        both = [("Authorization", f"Bearer {text}"), ("Authorization", "Bearer other")]
        assert (await client.get(HERE, headers=both)).status_code == 401


async def test_a_wrong_token_is_not_saved_by_a_cookie(site: Site) -> None:
    async with site.browser() as browser:
        assert (await browser.get(HERE)).status_code == 200
        wrong = await browser.get(HERE, headers={"Authorization": "Bearer slk_wrong"})
        assert wrong.status_code == 401 and wrong.headers["www-authenticate"].startswith("Bearer")


async def test_a_token_of_another_account_sees_its_own_things_only(site: Site) -> None:
    async with site.program(person=site.stranger, account=OTHER_ACCOUNT) as other:
        names = [one["name"] for one in (await other.get(HERE)).json()["items"]]
        assert names == ["bank"]
        assert (await other.get(f"/api/v1/builds/{site.red}")).status_code == 404


async def test_a_token_ends_with_its_persons_role(site: Site) -> None:
    guest = await site.add_person("ben@example.com", Membership("local", Role.MEMBER))
    text = await site.token(Permission.PROJECTS_READ, person=guest)
    assert await status(site, Authorization=f"Bearer {text}") == 200
    async with site.database.write() as connection:
        await connection.exec_driver_sql("DELETE FROM memberships WHERE person = ?", (guest.id,))
    assert await status(site, Authorization=f"Bearer {text}") == 403


async def test_another_website_does_nothing_with_a_persons_cookie(site: Site) -> None:
    """The attack: a page elsewhere has the browser post to us. The guard stands before the session."""
    evil = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.net"}
    async with site.browser() as browser:
        for method, path in (
            ("POST", f"/api/v1/builds/{site.running}/cancel"),
            ("DELETE", "/api/v1/projects/shop"),
            ("POST", "/api/v1/tokens"),
        ):
            assert (await browser.request(method, path, headers=evil, json={})).status_code == 403
        value = browser.cookies[NAME]
    async with site.client(Cookie=f"{NAME}={value}") as no_browser:
        assert (await no_browser.post(f"/api/v1/builds/{site.running}/cancel")).status_code == 403
    assert not (await site.view(site.running)).stopping


async def test_who_has_two_accounts_says_which(site: Site) -> None:
    both = Membership("local", Role.MEMBER), Membership(OTHER_ACCOUNT, Role.MEMBER)
    person = await site.add_person("both@example.com", *both)
    async with site.browser(person) as browser:
        unclear = await browser.get(HERE)
        assert unclear.status_code == 422 and unclear.json()["fields"][0]["field"] == "account"
        for account, name in (("local", "shop"), (OTHER_ACCOUNT, "bank")):
            told = await browser.get(f"{HERE}?account={account}")
            assert [one["name"] for one in told.json()["items"]] == [name]
        assert (await browser.get(f"/api/v1/accounts/{OTHER_ACCOUNT}")).json()["name"] == "Others"


async def test_a_misspelled_or_doubled_parameter_is_named(api: httpx2.AsyncClient) -> None:
    for query, field in (
        ("limt=1", "limt"),
        ("limit=1&limit=2", "limit"),
        ("account=local&Account=x", "Account"),
    ):
        answer = await api.get(f"projects?{query}")
        assert answer.status_code == 422 and answer.json()["fields"][0]["field"] == field


async def test_a_token_is_slowed_down_wherever_it_comes_from(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "READS", Rate("few", "5/minute"))
    text, other = await site.token(), await site.token()
    answers = []
    for number in range(6):
        async with site.client(f"198.51.100.{number}", Authorization=f"Bearer {text}") as client:
            answers.append(await client.get(HERE))
    assert [one.status_code for one in answers] == [200] * 5 + [429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    assert await status(site, Authorization=f"Bearer {other}") == 200


async def test_guessing_tokens_is_slowed_down(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "STRANGERS", Rate("few strangers", "3/minute"))
    seen = [await status(site, Authorization=f"Bearer slk_{number}") for number in range(5)]
    assert seen == [401] * 3 + [429] * 2
    assert await status(site, Authorization=f"Bearer {await site.token()}") == 200, "nobody is locked out"


async def test_a_huge_body_is_refused_unread(api: httpx2.AsyncClient) -> None:
    huge = b'{"value": "' + b"x" * (1 << 21) + b'"}'
    answer = await api.put("projects/shop/secrets/BIG", content=huge)
    assert answer.status_code == 413 and answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'"x"', b"{", b"\xff\xfe", b'{"name":"a","name":"b"}', b"["]
)
async def test_what_is_no_object_is_refused(api: httpx2.AsyncClient, body: bytes) -> None:
    answer = await api.post("projects", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 and answer.headers["content-type"] == "application/problem+json"


async def test_deep_nesting_breaks_nothing(api: httpx2.AsyncClient) -> None:
    deep = b'{"host_keys":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    answer = await api.post("projects", content=deep, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)


async def test_no_header_is_made_of_what_somebody_sent(site: Site, api: httpx2.AsyncClient) -> None:
    """The attack: line breaks in a key, an id, a name, a cursor."""
    evil = "x%0d%0aSet-Cookie:%20a=b"
    for path in (
        f"builds/{evil}",
        f"projects/{evil}",
        f"builds?cursor={evil}",
        f"builds/{site.red}/log/search?q={evil}",
        f"workers/{evil}/drain",
        f"projects/shop/secrets/{evil}",
    ):
        answer = await api.get(path)
        assert "set-cookie" not in answer.headers and answer.status_code < 500
