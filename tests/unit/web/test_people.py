"""Setting up, signing in, and the cookie, over the whole application."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi.routing import iter_route_contexts

from sealock.web.app import make_app, unguarded_app
from sealock.web.people import signed_in
from tests.support.website import ORIGIN, PASSWORD, Ports, client, make_ports

pytestmark = pytest.mark.anyio
ADA = {"email": "ada@example.com", "password": PASSWORD}
OPEN = {
    ("GET", "/health"): "says nothing",
    ("POST", "/api/setup"): "opened by the link",
    ("POST", "/api/session"): "is how one signs in",
    ("POST", "/hooks/git/{project}"): "opened by the signature",
    ("GET", "/authority.pem"): "is public, and what one has before one trusts anything here",
}
"""Doors that are for anybody, and why they can be. Whoever adds one has to say it here."""


@pytest.fixture
def ports() -> Ports:
    return make_ports()


@pytest.fixture
async def browser(ports: Ports) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(make_app(ports.web, ORIGIN), **{"Sec-Fetch-Site": "same-origin"}) as made:
        yield made


async def set_up(browser: httpx2.AsyncClient, ports: Ports) -> httpx2.Response:
    link = await ports.setup.begin()
    assert link is not None
    return await browser.post("/api/setup", json=ADA | {"name": "Ada", "link": link.reveal().decode()})


async def test_the_first_owner_is_made_by_the_link_and_signed_in(
    browser: httpx2.AsyncClient, ports: Ports
) -> None:
    assert (await set_up(browser, ports)).status_code == 204
    assert (await browser.get("/api/session")).json()["email"] == "ada@example.com"
    again = await browser.post("/api/setup", json=ADA | {"name": "Eve", "link": "x" * 43})
    assert again.status_code == 401


async def test_the_cookie_is_for_this_host_over_https_and_no_script(
    browser: httpx2.AsyncClient, ports: Ports
) -> None:
    cookie = (await set_up(browser, ports)).headers["set-cookie"]
    name, *attributes = [part.strip().lower() for part in cookie.split(";")]
    assert name.startswith("__host-sealock=") and len(name) == len("__host-sealock=") + 43
    assert set(attributes) == {"httponly", "secure", "samesite=lax", "path=/"}, "and no domain"


async def test_signing_in_takes_over_no_planted_cookie(browser: httpx2.AsyncClient, ports: Ports) -> None:
    await set_up(browser, ports)
    planted = browser.cookies["__Host-sealock"]
    assert (await browser.post("/api/session", json=ADA)).status_code == 204
    assert browser.cookies["__Host-sealock"] != planted
    async with client(make_app(ports.web, ORIGIN), Cookie=f"__Host-sealock={planted}") as thief:
        assert (await thief.get("/api/session")).status_code == 401


async def test_signing_out_ends_the_session_and_takes_the_cookie_back(
    browser: httpx2.AsyncClient, ports: Ports
) -> None:
    await set_up(browser, ports)
    value = browser.cookies["__Host-sealock"]
    assert (await browser.delete("/api/session")).status_code == 204
    assert "__Host-sealock" not in browser.cookies
    browser.cookies.set("__Host-sealock", value)
    assert (await browser.get("/api/session")).status_code == 401


async def test_sessions_are_listed_and_ended(browser: httpx2.AsyncClient, ports: Ports) -> None:
    await set_up(browser, ports)
    async with client(make_app(ports.web, ORIGIN), **{"User-Agent": "the other"}) as other:
        await other.post("/api/session", json=ADA)
        listed = (await browser.get("/api/sessions")).json()
        (there,) = [one for one in listed if not one["here"]]
        assert there["agent"] == "the other" and len(listed) == 2
        assert all(browser.cookies["__Host-sealock"] not in str(one) for one in listed)
        assert (await browser.delete(f"/api/sessions/{there['id']}")).status_code == 204
        assert (await browser.delete(f"/api/sessions/{there['id']}")).status_code == 404
        assert (await other.get("/api/session")).status_code == 401


@pytest.mark.parametrize(
    "given",
    [
        ADA | {"password": "wrong password"},
        {"email": "eve@example.com", "password": PASSWORD},
        {"email": "", "password": ""},
    ],
)
async def test_a_stranger_is_told_nothing(
    browser: httpx2.AsyncClient, ports: Ports, given: dict[str, str]
) -> None:
    await set_up(browser, ports)
    browser.cookies.clear()
    answer = await browser.post("/api/session", json=given)
    assert (answer.status_code, answer.json()["detail"]) == (
        401,
        "The e-mail address or the password is wrong.",
    )
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "given", [{}, ADA | {"admin": True}, ADA | {"password": 1}, ADA | {"email": "x" * 2000}, [], "x"]
)
async def test_what_is_no_sign_in_is_named_without_its_value(
    browser: httpx2.AsyncClient, given: object
) -> None:
    answer = await browser.post("/api/session", json=given)
    assert answer.status_code == 422 and PASSWORD not in answer.text


async def test_guessing_is_slowed_down_and_locks_nobody_out(
    browser: httpx2.AsyncClient, ports: Ports
) -> None:
    await set_up(browser, ports)
    guesses = [
        await browser.post("/api/session", json=ADA | {"password": f"guess {number}"}) for number in range(11)
    ]
    assert [one.status_code for one in guesses] == [401] * 10 + [429]
    async with client(make_app(ports.web, ORIGIN), "198.51.100.1") as elsewhere:
        assert (await elsewhere.post("/api/session", json=ADA)).status_code == 204


async def test_making_up_setup_links_is_slowed_down(browser: httpx2.AsyncClient) -> None:
    answers = [
        await browser.post("/api/setup", json=ADA | {"name": "Eve", "link": f"{number:043}"})
        for number in range(11)
    ]
    assert [one.status_code for one in answers] == [401] * 10 + [429]


async def test_another_site_signs_nobody_in_or_out(browser: httpx2.AsyncClient, ports: Ports) -> None:
    await set_up(browser, ports)
    evil = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.net"}
    assert (await browser.post("/api/session", json=ADA, headers=evil)).status_code == 403
    assert (await browser.delete("/api/session", headers=evil)).status_code == 403
    assert (await browser.get("/api/session")).status_code == 200


def doors() -> list[tuple[str, str, object]]:
    """Each method of each path, and what it depends on."""
    found = []
    for one in iter_route_contexts(unguarded_app(make_ports().web).routes):
        for method in sorted(one.methods or {"ANY"}):
            found.append((method, str(one.path), getattr(one, "dependant", None)))
    return found


def needs_a_person(dependant: object) -> bool:
    below = getattr(dependant, "dependencies", [])
    return any(one.call is signed_in or needs_a_person(one) for one in below)


def test_every_door_asks_who_comes_or_is_known_not_to() -> None:
    unguarded = {(method, path) for method, path, dependant in doors() if not needs_a_person(dependant)}
    assert unguarded == set(OPEN)
    assert len(doors()) > len(OPEN)


async def test_nothing_of_the_framework_is_served(browser: httpx2.AsyncClient) -> None:
    for path in ("/docs", "/redoc", "/openapi.json", "/health/", "//health", "/%2e%2e/health"):
        assert (await browser.get(path)).status_code == 404
