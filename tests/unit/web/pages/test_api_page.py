"""The page about the API: it has every door and every shape, and its links lead somewhere."""

from __future__ import annotations

import httpx2
import pytest

from sealock.web.api.openapi import PREFIX
from sealock.web.pages.api_page import doors_of, kind_of
from tests.support.pages import Page
from tests.support.site import Site

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_every_door_and_every_shape_is_there(site: Site, browser: httpx2.AsyncClient) -> None:
    answer = await browser.get("/api")
    page = Page(answer.text)
    assert answer.status_code == 200 and len(answer.content) < 60_000
    described = (await browser.get(f"{PREFIX}/openapi.json")).json()
    headings = {
        f"{method.upper()} {path.removeprefix(PREFIX)}"
        for path, methods in described["paths"].items()
        for method in methods
    }
    assert len(headings) > 40
    assert not [heading for heading in headings if f"<code>{heading}</code>" not in answer.text]
    shapes = [name for name in described["components"]["schemas"] if not name.startswith("Items_")]
    assert len(shapes) > 30 and not [name for name in shapes if page.by_id(name) is None]
    for permission in ("account:projects:write", "installation:workers:write"):
        assert permission in page.text


async def test_every_link_within_it_leads_to_a_place_of_it(site: Site, browser: httpx2.AsyncClient) -> None:
    page = Page((await browser.get("/api")).text)
    places = [address[1:] for address in page.addresses() if address.startswith("#")]
    assert len(places) > 40
    assert not [place for place in places if page.by_id(place) is None]


async def test_a_door_says_what_it_takes_and_tells(site: Site, browser: httpx2.AsyncClient) -> None:
    doors = doors_of((await browser.get(f"{PREFIX}/openapi.json")).json())
    [made] = [one for one in doors["projects"] if (one.method, one.path) == ("POST", "/projects")]
    assert (made.takes, made.tells, made.once) == ("NewProject", "WholeProject", True)
    assert made.permission == "account:projects:write" and "Needs" not in made.about
    [listed] = [one for one in doors["builds"] if (one.method, one.path) == ("GET", "/builds")]
    assert {one.name: one.kind for one in listed.parameters}["mine"] == "true or false"
    assert not listed.once and listed.tells == "a list of Build"


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "integer"}, "whole number"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Build"}}, "list of Build"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text or null"),
        ({}, "anything"),
    ],
)
def test_types_are_told_in_words(schema: dict[str, object], said: str) -> None:
    assert kind_of(schema) == said
