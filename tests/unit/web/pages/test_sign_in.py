"""Signing in and out, and the first owner, by pages."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from sealock.web.app import make_app
from sealock.web.cookies import NAME
from sealock.web.ports import WebPorts
from tests.support.pages import Page
from tests.support.site import Site
from tests.support.website import ORIGIN, PASSWORD, Ports, client, make_ports

pytestmark = pytest.mark.anyio
ADA = {"email": "ada@example.com", "password": PASSWORD}
OWNER = ADA | {"name": "Ada", "again": PASSWORD}
HTML = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def stranger(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with site.client(**HTML) as made:
        yield made


async def test_one_signs_in_and_out(site: Site, stranger: httpx2.AsyncClient) -> None:
    answer = await stranger.post("/sign-in", data=ADA | {"next": "/projects"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/projects")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("__host-sealock=") and "httponly" in cookie and "samesite=lax" in cookie
    assert (await stranger.get("/")).status_code == 200
    value = stranger.cookies[NAME]
    assert (await stranger.post("/sign-out")).headers["location"] == "/sign-in"
    assert NAME not in stranger.cookies
    assert await site.sessions.read(value) is None, "it is not the cookie alone that is gone"


async def test_a_planted_session_is_not_taken_over(site: Site, stranger: httpx2.AsyncClient) -> None:
    planted = (await site.sessions.begin(site.stranger)).reveal().decode()
    stranger.cookies.set(NAME, planted)
    await stranger.post("/sign-in", data=ADA)
    assert await site.sessions.read(planted) is None


@pytest.mark.parametrize(
    "given",
    [
        ADA | {"password": "wrong password"},
        {"email": "nobody@example.com", "password": PASSWORD},
        {"email": "", "password": ""},
        {},
    ],
)
async def test_a_stranger_is_told_nothing(stranger: httpx2.AsyncClient, given: dict[str, str]) -> None:
    answer = await stranger.post("/sign-in", data=given)
    assert answer.status_code == 401 and "set-cookie" not in answer.headers
    assert "The e-mail address or the password is wrong." in answer.text
    assert PASSWORD not in answer.text


async def test_guessing_is_slowed_down_and_told_as_a_page(stranger: httpx2.AsyncClient) -> None:
    answers = [
        await stranger.post("/sign-in", data=ADA | {"password": f"guess {number}"}) for number in range(11)
    ]
    assert [one.status_code for one in answers] == [401] * 10 + [429]
    assert answers[-1].headers["content-type"].startswith("text/html") and answers[-1].headers["retry-after"]


@pytest.mark.parametrize("place", ["//evil.example.net", "https://evil.example.net/", "/\\evil.example.net"])
async def test_where_to_go_is_never_elsewhere(site: Site, stranger: httpx2.AsyncClient, place: str) -> None:
    """The attack: a link to our sign-in that ends somewhere else, whether or not one is signed in."""
    answer = await stranger.post("/sign-in", data=ADA | {"next": place})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    async with site.browser() as browser:
        answer = await browser.get("/sign-in", params={"next": place})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_an_installation_is_set_up_by_its_link(site: Site) -> None:
    ports: Ports = make_ports()
    web = WebPorts(**vars(ports.web) | {"service": site.service})
    async with client(make_app(web, ORIGIN), **HTML) as browser:
        link = await ports.setup.begin()
        assert link is not None
        path = f"/setup/{link.reveal().decode()}"
        assert (await browser.get(path)).status_code == 200
        differs = await browser.post(path, data=OWNER | {"again": "x"})
        assert differs.status_code == 422 and Page(differs.text).by_id("again-fault") is not None
        short = await browser.post(path, data=OWNER | {"password": "x", "again": "x"})
        assert short.status_code == 422 and "The password has 1 characters" in short.text
        assert (await browser.post(path, data=OWNER)).headers["location"] == "/"
        assert (await browser.get("/account")).status_code == 200
        again = await browser.post(path, data=OWNER | {"email": "eve@example.com"})
        assert again.status_code == 403


async def test_making_up_links_is_slowed_down(stranger: httpx2.AsyncClient) -> None:
    answers = [await stranger.post(f"/setup/{number:043}", data=OWNER) for number in range(11)]
    assert [one.status_code for one in answers] == [403] * 10 + [429]


async def test_a_made_up_link_sets_nothing_up(stranger: httpx2.AsyncClient) -> None:
    for link in ("x", "x" * 43, "%22%3E%3Cscript%3E", "%2e%2e"):
        assert (await stranger.get(f"/setup/{link}")).status_code == 200
        answer = await stranger.post(f"/setup/{link}", data=OWNER)
        assert answer.status_code == 403 and "set-cookie" not in answer.headers
        assert "<script>" not in answer.text
