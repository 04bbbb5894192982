"""Every door of the API, walked: what it asks for, and what it says of what is another account's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from sealock.core.access import TOKEN_PERMISSIONS, Membership
from sealock.core.grant import Role
from sealock.web.api.openapi import PREFIX, asks_of, doors
from sealock.web.app import unguarded_app
from sealock.web.pages.account import WORDS
from tests.support.site import OTHER_ACCOUNT, Site

pytestmark = pytest.mark.anyio

FOR_ANYBODY = {("GET", "/api/v1/openapi.json"): "is the same everywhere"}
FOR_WHOEVER_IS_SOMEBODY = {
    ("GET", "/api/v1/installation"): "its name and public keys",
    ("GET", "/api/v1/accounts"): "lists one's own",
    ("GET", "/api/v1/token"): "is about the token it comes with",
    ("DELETE", "/api/v1/token"): "ends the token it comes with",
}
IN_PERSON = {("GET", "/tokens"), ("POST", "/tokens"), ("DELETE", "/tokens/{token}")}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", "/accounts/{account_id}"): {"name": "Ours now"},
    ("POST", "/projects"): {
        "name": "new",
        "address": "git@git.example.com:a/b.git",
        "host_keys": ["ssh-rsa A"],
    },
    ("PATCH", "/projects/{project}"): {"priority": 1},
    ("PUT", "/projects/{project}/secrets/{name}"): {"value": "v"},
    ("POST", "/projects/{project}/builds"): {},
    ("POST", "/builds/{build}/restart"): {},
    ("POST", "/workers"): {"name": "builder-9"},
    ("POST", "/tokens"): {"name": "t", "permissions": ["account:builds:read"]},
}
UNKNOWN = "0" * 32


@dataclass(frozen=True)
class Door:
    """A method of a path, without the prefix."""

    method: str
    path: str

    async def knock(self, client: httpx2.AsyncClient, query: str = "", **named: str) -> httpx2.Response:
        """As it would be used, with these in the path."""
        path = re.sub(r"\{(\w+)\}", lambda place: {"number": "1", **named}.get(place[1], "TOKEN"), self.path)
        body = BODIES.get((self.method, self.path))
        more = "&q=x" if self.path.endswith("/search") else ""
        return await client.request(self.method, f"{PREFIX}{path}?{query}{more}", json=body)


def all_doors(app: FastAPI) -> list[Door]:
    found = []
    for route in doors(app):
        for method in route.methods or ():
            found.append(Door(method, str(route.path).removeprefix(PREFIX)))
    return found


def without_id(answer: httpx2.Response) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()
    del told["request_id"]
    return told


async def test_every_door_asks_for_one_permission_or_is_known_not_to(site: Site) -> None:
    nobody, somebody, count = set(), set(), 0
    for route in doors(unguarded_app(site.ports)):
        asks = asks_of(route)
        assert len(asks) <= 1, f"{route.path} asks twice"
        for method in route.methods or ():
            count += 1
            if not asks:
                nobody.add((method, str(route.path)))
            elif asks[0].permission is None:
                somebody.add((method, str(route.path)))
    assert nobody == set(FOR_ANYBODY) and somebody == set(FOR_WHOEVER_IS_SOMEBODY)
    assert count > 35


async def test_a_token_can_be_made_for_what_opens_a_door_and_for_nothing_else(site: Site) -> None:
    asked = {
        asks[0].permission
        for route in doors(unguarded_app(site.ports))
        if (asks := asks_of(route)) and asks[0].tokens and asks[0].permission is not None
    }
    assert asked == set(TOKEN_PERMISSIONS) == set(WORDS)


async def test_every_door_is_closed_to_nobody(site: Site) -> None:
    for door in all_doors(unguarded_app(site.ports)):
        if (door.method, PREFIX + door.path) in FOR_ANYBODY:
            continue
        async with site.client() as nobody:
            answer = await door.knock(nobody, project="shop", build=site.green, name="x", account_id="local")
        assert answer.status_code in (401, 429), door
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("how", ["token", "browser"])
async def test_what_is_another_accounts_is_as_if_it_were_not_there(site: Site, how: str) -> None:
    """The attack: an owner of one account asks every door for what is the other's, by id and by name."""
    foreign = {"build": site.foreign_build, "account_id": OTHER_ACCOUNT}
    unknown = {"build": UNKNOWN, "account_id": UNKNOWN, "name": "TOKEN"}
    tried = 0
    for door in all_doors(unguarded_app(site.ports)):
        if not re.search(r"\{(project|build|account_id)\}", door.path):
            continue
        opened = site.program() if how == "token" else site.browser()
        async with opened as client:
            never = await door.knock(client, project=UNKNOWN, **unknown)
            for project in (site.foreign.id, site.foreign.name):
                answer = await door.knock(client, project=project, **foreign, name="TOKEN")
                assert answer.status_code == 404, door
                assert without_id(answer) == without_id(never), door
                tried += 1
    assert tried > 40
    assert (await site.builds.get(OTHER_ACCOUNT, site.foreign_build)) is not None
    assert site.kept_secrets() == {}
    async with site.program() as program:
        assert len((await program.get(f"{PREFIX}/builds")).json()["items"]) == 4


async def test_no_door_leads_into_another_account_by_its_parameter(site: Site) -> None:
    """The attack: `?account=` of somebody else, with a token and with a session."""
    for door in all_doors(unguarded_app(site.ports)):
        async with site.program() as program, site.browser() as browser:
            client = browser if (door.method, door.path) in IN_PERSON else program
            for other in (OTHER_ACCOUNT, "", UNKNOWN):
                answer = await door.knock(
                    client, f"account={other}", project=site.foreign.id, build=site.foreign_build, name="x"
                )
                if (door.method, PREFIX + door.path) not in FOR_ANYBODY:
                    assert answer.status_code in (404, 422), (door, answer.text)


async def test_a_narrow_token_opens_the_doors_it_was_made_for_and_no_other(site: Site) -> None:
    here = {"project": site.project.id, "build": site.red, "account_id": "local", "name": "builder-1"}
    for route in doors(unguarded_app(site.ports)):
        asks = asks_of(route)
        if not asks or asks[0].permission is None or not asks[0].tokens:
            continue
        needed = asks[0].permission
        others = [one for one in TOKEN_PERMISSIONS if one != needed]
        for method in route.methods or ():
            door = Door(method, str(route.path).removeprefix(PREFIX))
            async with site.program(*others) as narrow:
                refused = await door.knock(narrow, **here)
            assert refused.status_code == 403, door
            assert str(needed) in refused.json()["detail"]


async def test_a_person_without_a_role_is_nobody_here(site: Site) -> None:
    guest = await site.add_person("guest@example.com")
    crew = await site.add_person("crew@example.com", Membership("", Role.CREW))
    for person in (guest, crew):
        async with site.browser(person) as browser:
            assert (await browser.get("/api/v1/accounts")).json()["items"] == []
            for path in ("builds", "projects", f"builds/{site.red}/log", "workers", "tokens"):
                assert (await browser.get(f"/api/v1/{path}")).status_code == 403


async def test_a_member_does_no_owners_work(site: Site) -> None:
    member = await site.add_person("ben@example.com", Membership("local", Role.MEMBER))
    async with site.browser(member) as browser:
        assert (await browser.get("/api/v1/projects/shop")).status_code == 200
        for method, path in (
            ("DELETE", "projects/shop"),
            ("GET", "projects/shop/hook"),
            ("GET", "projects/shop/secrets"),
            ("DELETE", f"builds/{site.red}/log"),
            ("GET", f"builds/{site.red}/exposures"),
            ("GET", "workers"),
        ):
            assert (await browser.request(method, f"/api/v1/{path}")).status_code == 403, path
