"""Requests that are sent twice, with a key."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from sqlalchemy import Row, delete, select, update

from sealock.core.errors import TemporaryError
from sealock.core.idempotency import LONGEST_KEY
from sealock.core.sealed import LOCAL_ACCOUNT
from sealock.store.database.kept_tables import idempotency_keys
from tests.support.site import HOST_KEY, Site

pytestmark = pytest.mark.anyio
KEY = {"Idempotency-Key": "a-key-of-mine"}
NEW = {"name": "site", "address": "git@git.example.com:team/site.git", "host_keys": [HOST_KEY]}


async def kept(site: Site) -> list[Row[Any]]:
    """What is kept of requests with a key."""
    async with site.database.read() as connection:
        return list(await connection.execute(select(idempotency_keys)))


async def test_the_same_again_has_the_same_answer(site: Site, api: httpx2.AsyncClient) -> None:
    first = await api.post("projects/shop/builds", json={"ref": "side"}, headers=KEY)
    again = await api.post("projects/shop/builds", json={"ref": "side"}, headers=KEY)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert "idempotent-replayed" not in first.headers and again.headers["idempotent-replayed"] == "true"
    assert len((await api.get("builds?branch=side")).json()["items"]) == 1
    other = await api.post("projects/shop/builds", json={"ref": "side"}, headers={"Idempotency-Key": "other"})
    assert other.json()["id"] != first.json()["id"]


async def test_a_key_is_for_one_request(site: Site, api: httpx2.AsyncClient) -> None:
    await api.post("projects/shop/builds", json={"ref": "side"}, headers=KEY)
    for path, body in (
        ("projects/shop/builds", {"ref": "main"}),
        ("projects", NEW),
        ("workers", {"name": "w"}),
    ):
        answer = await api.post(path, json=body, headers=KEY)
        assert answer.status_code == 422 and answer.json()["fields"][0]["field"] == "Idempotency-Key"


async def test_a_key_is_for_one_path_where_nothing_else_differs(api: httpx2.AsyncClient) -> None:
    """Without a body, the path alone says who is invited."""
    for name in ("b-1", "b-2"):
        assert (await api.post("workers", json={"name": name})).status_code == 201
    assert (await api.post("workers/b-1/invite", headers=KEY)).status_code == 201
    assert (await api.post("workers/b-2/invite", headers=KEY)).status_code == 422


async def test_the_longest_key_that_is_kept_is_taken(site: Site, api: httpx2.AsyncClient) -> None:
    for length, status in ((LONGEST_KEY, 201), (LONGEST_KEY + 1, 422)):
        key = {"Idempotency-Key": "k" * length}
        assert (await api.post("workers", json={"name": "w"}, headers=key)).status_code == status
    assert [len(row.key) for row in await kept(site)] == [LONGEST_KEY]


async def test_keys_are_each_callers_own(site: Site, api: httpx2.AsyncClient) -> None:
    """The attack: another token, or another person, with the same key reads an answer that is not theirs."""
    first = await api.post("projects/shop/builds", json={}, headers=KEY)
    async with site.program() as other, site.browser() as browser:
        for client in (other, browser):
            answer = await client.post("/api/v1/projects/shop/builds", json={}, headers=KEY)
            assert answer.json()["id"] != first.json()["id"]


async def test_while_it_is_being_done(site: Site, api: httpx2.AsyncClient) -> None:
    await api.post("projects/shop/builds", json={}, headers=KEY)
    async with site.database.write() as connection:
        await connection.execute(update(idempotency_keys).values(status=None, response=None))
    answer = await api.post("projects/shop/builds", json={}, headers=KEY)
    assert answer.status_code == 409 and answer.headers["retry-after"] == "1"


async def test_what_is_shown_once_is_not_kept(site: Site, browser: httpx2.AsyncClient) -> None:
    """The attack: who reads the database finds the tokens that were made with a key."""
    body = {"name": "t", "permissions": ["account:builds:read"]}
    made = await browser.post("tokens", json=body, headers=KEY)
    text = made.json()["token"]
    assert text.startswith("slk_") and text not in repr(await kept(site))
    again = await browser.post("tokens", json=body, headers=KEY)
    assert again.status_code == 201 and again.json() == made.json() | {"token": None}
    hook = await browser.post("projects/shop/hook", headers=KEY | {"Idempotency-Key": "hook"})
    invited = await browser.post("workers", json={"name": "b-1"})
    invitation = await browser.post("workers/b-1/invite", headers={"Idempotency-Key": "invite"})
    assert invited.status_code == hook.status_code == invitation.status_code == 201
    for shown in (hook.json()["secret"], invitation.json()["token"]):
        assert shown and shown not in repr(await kept(site))


async def test_what_failed_may_be_sent_again(
    site: Site, api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise TemporaryError("the keeper did not answer")

    with monkeypatch.context() as broken:
        broken.setattr(site.projects, "create", away)
        answer = await api.post("projects", json=NEW, headers=KEY)
        assert answer.status_code == 503 and answer.headers["retry-after"]
    assert (await api.post("projects", json=NEW, headers=KEY)).status_code == 201
    assert len(await site.projects.all(LOCAL_ACCOUNT)) == 2


async def test_a_lost_answer_makes_no_second_build(site: Site, api: httpx2.AsyncClient) -> None:
    """The website was killed between making the build and keeping its answer."""
    first = await api.post("projects/shop/builds", json={}, headers=KEY)
    async with site.database.write() as connection:
        await connection.execute(delete(idempotency_keys))
    again = await api.post("projects/shop/builds", json={}, headers=KEY)
    assert again.json()["id"] == first.json()["id"]


@pytest.mark.parametrize("key", ["", "with space", "x" * (LONGEST_KEY + 1), "é"])
async def test_a_key_that_is_none_is_named(api: httpx2.AsyncClient, key: str) -> None:
    answer = await api.post("projects/shop/builds", json={}, headers={b"Idempotency-Key": key.encode()})
    assert answer.status_code == 422 and "dempotency" in answer.json()["fields"][0]["field"]
