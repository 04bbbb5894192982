"""Workers and tokens by the API."""

from __future__ import annotations

import httpx2
import pytest

from sealock.core.access import Permission
from tests.support.site import Site
from tests.support.site_builds import WORKER

pytestmark = pytest.mark.anyio
TOKEN = {"name": "deploys", "permissions": ["account:builds:start", "account:builds:read"], "days": 7}


async def test_a_worker_is_added_invited_drained_and_removed(site: Site, api: httpx2.AsyncClient) -> None:
    made = await api.post("workers", json={"name": "builder-1", "labels": ["big"], "machines": 3})
    assert made.status_code == 201 and made.json()["joined"] is False
    assert (await api.post("workers", json={"name": "builder-1"})).status_code == 409
    first, second = await api.post("workers/builder-1/invite"), await api.post("workers/builder-1/invite")
    assert first.status_code == 201 and first.json()["token"] != second.json()["token"]
    assert first.headers["cache-control"] == "no-store"
    assert (await api.post("workers/builder-1/drain")).json() == {"name": "builder-1", "running": 0}
    assert (await api.delete("workers/builder-1")).status_code == 204
    listed = {one["name"]: one for one in (await api.get("workers")).json()["items"]}
    assert listed["builder-1"]["state"] == "revoked" and listed[WORKER]["state"] == "active"
    for gone in ("invite", "drain"):
        assert (await api.post(f"workers/builder-1/{gone}")).status_code == 404
    assert (await api.delete("workers/builder-1")).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [{"name": "A"}, {"name": "x", "machines": 0}, {"name": "x", "labels": ["A B"]}, {"name": "x", "id": 1}],
)
async def test_what_cannot_be_a_worker(api: httpx2.AsyncClient, wrong: dict[str, object]) -> None:
    assert (await api.post("workers", json=wrong)).status_code == 422


async def test_a_token_is_made_in_a_browser_shown_once_and_ended(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    made = await browser.post("tokens", json=TOKEN)
    told = made.json()
    assert made.status_code == 201 and made.headers["cache-control"] == "no-store"
    assert told["expires_at"] - told["created_at"] == 7 * 24 * 3600
    listed = await browser.get("tokens")
    assert [one["id"] for one in listed.json()["items"]] == [told["id"]] and told["token"] not in listed.text
    async with site.client(Authorization=f"Bearer {told['token']}") as program:
        assert (await program.get("/api/v1/builds")).status_code == 200
        assert (await program.get("/api/v1/projects")).status_code == 403
        assert (await browser.delete(f"tokens/{told['id']}")).status_code == 204
        assert (await program.get("/api/v1/builds")).status_code == 401
    assert (await browser.delete(f"tokens/{told['id']}")).status_code == 404


async def test_a_token_makes_no_token(site: Site) -> None:
    """The attack: a stolen token makes itself a successor, even one that was made for that."""
    _, text = await site.tokens.make(site.owner, "local", "t", [Permission.OWN_TOKENS_WRITE], 1)
    async with site.client(Authorization=f"Bearer {text.reveal().decode()}") as program:
        assert (await program.post("/api/v1/tokens", json=TOKEN)).status_code == 403
        assert (await program.get("/api/v1/tokens")).status_code == 403
    assert len(await site.tokens.all_of(site.owner)) == 1


async def test_one_ends_ones_own_tokens_only(site: Site) -> None:
    await site.token()
    (token,) = await site.tokens.all_of(site.owner)
    async with site.browser(site.stranger) as thief:
        assert (await thief.delete(f"/api/v1/tokens/{token.id}")).status_code == 404
    assert len(await site.tokens.all_of(site.owner)) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"permissions": []}, "permissions"),
        ({"permissions": ["everything"]}, "permissions.0"),
        ({"permissions": ["person:tokens:write"]}, "permissions.0"),
        ({"permissions": ["installation:status:read"]}, "permissions.0"),
        ({"permissions": ["installation:workers:write"]}, None),
        ({"days": 0}, "days"),
        ({"days": 367}, "days"),
        ({"days": 1.5}, "days"),
        ({"name": "a\nb"}, "name"),
        ({"account": "other"}, "account"),
    ],
)
async def test_what_cannot_be_a_token(
    browser: httpx2.AsyncClient, change: dict[str, object], field: str | None
) -> None:
    answer = await browser.post("tokens", json=TOKEN | change)
    assert answer.status_code == (201 if field is None else 422)
    if field is not None:
        assert answer.json()["fields"][0]["field"] == field


async def test_a_token_can_do_no_more_than_who_makes_it(site: Site) -> None:
    async with site.browser(site.stranger) as browser:
        answer = await browser.post(
            "/api/v1/tokens", json=TOKEN | {"permissions": ["installation:workers:write"]}
        )
    assert answer.status_code == 422 and answer.json()["fields"][0]["field"] == "permissions"
