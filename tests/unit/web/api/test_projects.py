"""Projects and their secrets by the API."""

from __future__ import annotations

import base64
import os

import httpx2
import pytest

from sealock.core.scope import Scope
from sealock.core.sealed import LONGEST_VALUE
from tests.support.site import HOST_KEY, Site

pytestmark = pytest.mark.anyio
NEW = {"name": "site", "address": "git@git.example.com:team/site.git", "host_keys": [HOST_KEY]}


async def test_a_project_is_made_with_its_key(api: httpx2.AsyncClient) -> None:
    made = await api.post("projects", json=NEW)
    assert made.status_code == 201
    told = made.json()
    assert told["public_key"].startswith("ssh-ed25519 ") and told["key_version"] == 1
    assert told["settings"]["supersede"] == "queued"
    for named in (told["id"], "site"):
        assert (await api.get(f"projects/{named}")).json() == told
    assert "sealed" not in made.text


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "No Good"}, "name"),
        ({"name": "x\n"}, "name"),
        ({"name": 1}, "name"),
        ({"address": "https://example.com/x"}, "address"),
        ({"address": "git@host:x\r\nX: y"}, "address"),
        ({"host_keys": [1]}, "host_keys.0"),
        ({"host_keys": []}, "address"),
        ({"owner": "me"}, "owner"),
    ],
)
async def test_what_cannot_be_a_project_is_named(
    api: httpx2.AsyncClient, change: dict[str, object], field: str
) -> None:
    answer = await api.post("projects", json=NEW | change)
    assert answer.status_code == 422 and answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["fields"][0]["field"] == field and answer.json()["fields"][0]["reason"]


async def test_a_name_is_taken_once(api: httpx2.AsyncClient) -> None:
    answer = await api.post("projects", json=NEW | {"name": "shop"})
    assert answer.status_code == 409 and "already" in answer.json()["detail"]


async def test_settings_change_one_by_one(site: Site, api: httpx2.AsyncClient) -> None:
    first = await api.patch("projects/shop", json={"protected": ["main", "release"], "max_running": 2})
    assert first.status_code == 200
    second = (await api.patch("projects/shop", json={"max_running": None, "labels": ["big"]})).json()
    assert second["settings"]["protected"] == ["main", "release"]
    assert second["settings"]["max_running"] is None and second["settings"]["labels"] == ["big"]
    kept = await site.projects.settings("local", site.project.id)
    assert kept.protected == ("main", "release") and kept.labels == ("big",) and kept.hook_version == 1


@pytest.mark.parametrize(
    "change",
    [
        {"hook_version": 1},
        {"supersede": "sometimes"},
        {"priority": 101},
        {"priority": "1"},
        {"labels": ["No"]},
        {"labels": None},
        {"protected": [f"b{number}" for number in range(101)]},
        {"labels": ["big", "big"]},
        {"default_branch": "-x"},
        {"default_branch": ""},
        {"default_branch": "a\x1b[31m"},
        {"max_running": -1},
    ],
)
async def test_settings_that_cannot_be(
    site: Site, api: httpx2.AsyncClient, change: dict[str, object]
) -> None:
    before = await site.projects.settings("local", site.project.id)
    answer = await api.patch("projects/shop", json=change)
    assert answer.status_code == 422 and answer.json()["fields"][0]["field"].startswith(next(iter(change)))
    assert await site.projects.settings("local", site.project.id) == before


async def test_a_key_and_a_hook_are_made_anew(api: httpx2.AsyncClient) -> None:
    assert (await api.post("projects/shop/key")).json()["key_version"] == 2
    first, second = await api.get("projects/shop/hook"), await api.post("projects/shop/hook")
    assert second.status_code == 201 and first.json()["secret"] != second.json()["secret"]
    assert first.json()["url"].startswith("https://localhost:8443/hooks/git/")
    assert first.json()["repository"] == "git@git.example.com:team/shop.git"


async def test_a_project_is_removed_once_nothing_of_it_runs(site: Site, api: httpx2.AsyncClient) -> None:
    answer = await api.delete("projects/shop")
    assert answer.status_code == 409 and "is running" in answer.json()["detail"]
    await api.post(f"builds/{site.running}/cancel")
    await site.finish(site.running)
    assert (await api.delete("projects/shop")).status_code == 204
    assert (await api.get("projects/shop")).status_code == 404
    assert (await api.get(f"builds/{site.red}")).status_code == 404


async def test_projects_come_in_parts(api: httpx2.AsyncClient) -> None:
    for name in ("a", "b", "c"):
        await api.post("projects", json=NEW | {"name": name, "address": f"git@git.example.com:{name}.git"})
    names: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        told = (await api.get(f"projects?limit=2{cursor and '&cursor=' + cursor}")).json()
        names += [one["name"] for one in told["items"]]
        cursor = told["next"]
    assert names == ["a", "b", "c", "shop"]


async def test_a_secret_goes_in_and_does_not_come_out(site: Site, api: httpx2.AsyncClient) -> None:
    value = "hunter2-is-the-value"
    body = {"value": value, "pipelines": ["live"], "deployments_only": True, "protected_only": False}
    kept = await api.put("projects/shop/secrets/TOKEN", json=body)
    assert kept.json() == {
        "name": "TOKEN",
        "kind": "variable",
        "version": 1,
        "repository": str(site.project.address),
        "masked": True,
    }
    binary = {"value": base64.b64encode(b"\0\xff").decode(), "encoding": "base64", "kind": "file"}
    assert (await api.put("projects/shop/secrets/config", json=binary)).json()["kind"] == "file"
    listed = await api.get("projects/shop/secrets")
    assert [(one["name"], one["version"]) for one in listed.json()["items"]] == [("config", 1), ("TOKEN", 1)]
    assert value not in kept.text + listed.text
    assert site.kept_secrets() == {"TOKEN": value.encode(), "config": b"\0\xff"}
    origin = site.project.origin
    scope = Scope(("live",), deployments_only=True, protected_only=False, origin=origin)
    assert site.scope_of("TOKEN") == scope


async def test_the_largest_secret_goes_in_whole(site: Site, api: httpx2.AsyncClient) -> None:
    value = os.urandom(LONGEST_VALUE)
    body = {"value": base64.b64encode(value).decode(), "encoding": "base64", "kind": "file"}
    assert (await api.put("projects/shop/secrets/large.bin", json=body)).status_code == 200
    assert site.kept_secrets() == {"large.bin": value}


@pytest.mark.parametrize(
    ("name", "change", "field"),
    [
        ("TOKEN", {"value": 1}, "value"),
        ("TOKEN", {"value": "%%%", "encoding": "base64"}, "value"),
        ("TOKEN", {"value": "hunter2", "readable": True}, "readable"),
        ("TOKEN", {"kind": "ssh-key"}, "kind"),
        ("no-variable", {}, "name"),
        ("TOKEN", {"pipelines": ["a b"]}, "pipelines.0"),
    ],
)
async def test_a_secret_that_cannot_be_is_named_without_its_value(
    site: Site, api: httpx2.AsyncClient, name: str, change: dict[str, object], field: str
) -> None:
    answer = await api.put(f"projects/shop/secrets/{name}", json={"value": "hunter2"} | change)
    assert answer.status_code == 422 and answer.json()["fields"][0]["field"] == field
    assert "hunter2" not in answer.text and "%%%" not in answer.text
    assert not site.kept_secrets()


async def test_secrets_are_removed(api: httpx2.AsyncClient) -> None:
    for _ in range(2):
        await api.put("projects/shop/secrets/TOKEN", json={"value": "v"})
    assert (await api.delete("projects/shop/secrets/TOKEN?version=1")).status_code == 204
    left = [one["destroyed_at"] is None for one in (await api.get("projects/shop/secrets")).json()["items"]]
    assert left == [False, True]
    assert (await api.delete("projects/shop/secrets/TOKEN")).status_code == 204
    assert (await api.delete("projects/shop/secrets/TOKEN")).status_code == 404


async def test_an_account_is_changed(site: Site, api: httpx2.AsyncClient) -> None:
    changed = await api.patch("accounts/local", json={"name": "The team", "max_running": 3})
    assert (changed.json()["name"], changed.json()["max_running"]) == ("The team", 3)
    for wrong in ({"weight": 9}, {"max_running": -1}, {"name": ""}, {"name": "a\nb"}):
        assert (await api.patch("accounts/local", json=wrong)).status_code == 422
    kept = await site.accounts.get("local")
    assert kept is not None and kept.weight == 1
