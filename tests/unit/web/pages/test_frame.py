"""What all pages have in common: the way in, the frame, errors, what a browser may keep."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import httpx2
import pytest
from fastapi.routing import iter_route_contexts

from sealock.core.access import Membership
from sealock.core.grant import Role
from sealock.core.sealed import LOCAL_ACCOUNT
from sealock.web.app import unguarded_app
from sealock.web.pages import static
from sealock.web.pages.frame import asking, safe_next
from sealock.web.pages.preferences import KEYS_COOKIE, THEME_COOKIE
from tests.support.pages import Page
from tests.support.site import Site

pytestmark = pytest.mark.anyio
HTML = {"Accept": "text/html"}
OPEN = {
    ("GET", "/static/{version}/{name}"): "style sheets and scripts",
    ("GET", "/sign-in"): "is how one signs in",
    ("POST", "/sign-in"): "is how one signs in",
    ("POST", "/sign-out"): "ends the session of the browser that asks, and nothing else",
    ("GET", "/setup/{link}"): "opened by the link, when it is used",
    ("POST", "/setup/{link}"): "opened by the link",
    ("GET", "/badges/{project}/{key}.svg"): "opened by the key in its address",
}
"""Pages that are for anybody, and why they can be."""


def pages(site: Site) -> list[str]:
    """Every page there is, of what is there."""
    project, build = f"/projects/{site.project.id}", f"/builds/{site.red}"
    return [
        "/",
        "/?mine=yes&status=red&branch=main",
        "/part/dashboard",
        "/projects",
        "/projects/new",
        project,
        f"{project}/part/builds",
        f"{project}/settings",
        "/workers",
        "/account",
        "/api",
        build,
        f"{build}/log",
        f"{build}/receipt",
        "/nowhere",
    ]


def page_doors(site: Site) -> list[tuple[str, str, object]]:
    """Method, path and dependencies of each page's route, and of no other."""
    others = ("/api/", "/hooks/", "/health", "/authority.pem", "/worker")
    return [
        (method, str(one.path), getattr(one, "dependant", None))
        for one in iter_route_contexts(unguarded_app(site.ports).routes)
        for method in sorted(one.methods or {"ANY"})
        if not str(one.path).startswith(others) or str(one.path).startswith("/workers")
    ]


def asks(dependant: object) -> bool:
    return any(one.call is asking or asks(one) for one in getattr(dependant, "dependencies", []))


async def test_every_page_asks_who_comes_or_is_known_not_to(site: Site) -> None:
    doors = page_doors(site)
    assert {(method, path) for method, path, dependant in doors if not asks(dependant)} == set(OPEN)
    assert len(doors) > 40


async def test_who_is_not_signed_in_is_sent_there_and_back(site: Site) -> None:
    async with site.client(**HTML) as stranger:
        for method, path, _ in page_doors(site):
            if (method, path) in OPEN:
                continue
            answer = await stranger.request(method, re.sub(r"\{\w+\}", "0" * 32, path))
            assert answer.status_code == 303 and answer.headers["location"].startswith("/sign-in"), path
        back = (await stranger.get("/projects?x=1&y=2")).headers["location"]
        assert back == "/sign-in?next=/projects%3Fx%3D1%26y%3D2"
        answer = await stranger.get(back)
        assert {"type": "hidden", "name": "next", "value": "/projects?x=1&y=2"} in Page(answer.text).all(
            "input"
        )


async def test_a_script_that_is_not_signed_in_is_told_so(site: Site) -> None:
    async with site.client() as stranger:
        part = await stranger.get("/part/dashboard", headers={"X-Part": "1"})
        stream = await stranger.get("/live", headers={"Accept": "text/event-stream"})
    assert (part.status_code, stream.status_code) == (401, 401)


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example.net/",
        "//evil.example.net",
        "/\\evil.example.net",
        "\\\\evil.example.net",
        "javascript:alert(1)",
        "/\tx",
        "/a\r\nSet-Cookie: x=1",
        "/ü",
        "",
        "/" + "x" * 3000,
    ],
)
async def test_nobody_is_sent_anywhere_else(site: Site, path: str) -> None:
    assert safe_next(path) == "/"
    async with site.browser() as browser:
        answer = await browser.get("/sign-in", params={"next": path})
        assert answer.headers["location"] == "/"


async def test_no_page_has_anything_of_another_host(site: Site, browser: httpx2.AsyncClient) -> None:
    site_pages = [*pages(site), "/sign-in"]
    for path in site_pages:
        async with site.client(**HTML) as stranger:
            answer = await (stranger if path == "/sign-in" else browser).get(path)
        assert answer.headers["content-type"].startswith("text/html"), path
        addresses = list(Page(answer.text).addresses())
        assert addresses or "part" in path
        for address in addresses:
            parts = urlsplit(address)
            assert not parts.scheme and not parts.netloc, f"{path} names {address}"
        assert "url(" not in answer.text and "@import" not in answer.text
    for name, content in static.content().items():
        text = content.decode()
        outside = re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]+[^\s\"']*", text, re.IGNORECASE)
        assert set(outside) <= {"http://www.w3.org/2000/svg"}, name


async def test_no_page_has_inline_code_or_style(site: Site, browser: httpx2.AsyncClient) -> None:
    for path in pages(site):
        for tag, attributes in Page((await browser.get(path)).text).elements:
            assert tag != "style" and "style" not in attributes, path
            assert not [name for name in attributes if name.startswith("on")], path
            assert tag != "script" or attributes.get("src", "").startswith("/static/"), path


async def test_pages_and_scripts_are_small(site: Site, browser: httpx2.AsyncClient) -> None:
    for number in range(40):
        await site.build(branch=f"branch-{number}", message="A message of usual length, and a bit more")
    for path in pages(site):
        assert len((await browser.get(path)).content) < 60_000, path
    ours = sum(len(static.content()[name]) for name in ("parts.js", "keys.js", "page.js"))
    assert ours < 12_000


async def test_static_files_are_kept_for_ever_and_only_as_they_are(site: Site) -> None:
    async with site.client() as stranger:
        for name in ("base.css", "parts.js", "mark.svg"):
            answer = await stranger.get(static.static(name))
            assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
        assert (await stranger.get("/static/" + "0" * 64 + "/base.css")).status_code == 404
        for name in ("none.css", "..%2fframe.py", "%2e%2e/app.py"):
            assert (await stranger.get(f"/static/{static.digest()}/{name}")).status_code == 404
    with pytest.raises(KeyError):
        static.static("none.css")


async def test_a_page_is_not_kept(browser: httpx2.AsyncClient) -> None:
    assert (await browser.get("/")).headers["cache-control"] == "no-store"


async def test_errors_are_pages_for_browsers_and_problems_for_programs(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    page = await browser.get("/nowhere")
    assert page.status_code == 404 and page.headers["content-type"].startswith("text/html")
    assert page.headers["x-request-id"] in page.text
    assert '<a href="/projects"' in page.text, "there is a way back for who is signed in"
    stranger = await site.client().get("/nowhere", headers={"Accept": "text/html"})
    assert stranger.status_code == 404 and '<a href="/projects"' not in stranger.text
    program = await browser.get("/nowhere", headers={"Accept": "*/*"})
    assert program.headers["content-type"] == "application/problem+json"
    api = await browser.get("/api/v1/projects/nowhere")
    assert api.headers["content-type"] == "application/problem+json"
    wrong = await browser.put("/account")
    assert wrong.status_code == 405 and wrong.headers["allow"]


async def test_an_error_of_ours_is_a_page_that_says_nothing_of_it(
    site: Site, browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(account: str) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(site.projects, "all", fails)
    browser._transport.raise_app_exceptions = False  # type: ignore[attr-defined]
    answer = await browser.get("/projects")
    assert answer.status_code == 500 and "hunter2" not in answer.text
    assert answer.headers["content-type"].startswith("text/html")


async def test_a_role_that_may_not_has_no_buttons_and_its_forms_are_refused(site: Site) -> None:
    member = await site.add_person("mel@example.com", Membership(LOCAL_ACCOUNT, Role.MEMBER))
    project = f"/projects/{site.project.id}"
    async with site.browser(member, **HTML) as browser:
        html = "".join([(await browser.get(path)).text for path in ("/", "/projects", project, "/account")])
        for hidden in ("/projects/new", "/settings", "/workers", "hook-secret", "BEGIN", "/hooks/git"):
            assert hidden not in html
        assert f'action="{project}/builds"' in html
        for path in ("/projects/new", f"{project}/settings", "/workers"):
            assert (await browser.get(path)).status_code == 403
        for path in (
            "/projects/new",
            f"{project}/settings",
            f"{project}/settings/secrets",
            f"{project}/settings/secrets/remove",
            f"{project}/settings/key",
            f"{project}/settings/hook",
            f"{project}/settings/remove",
            "/workers",
            "/workers/builder-1/revoke",
            "/account",
        ):
            assert (await browser.post(path, data={"x": "y"})).status_code == 403, path


async def test_a_role_without_an_account_sees_none(site: Site) -> None:
    crew = await site.add_person("kim@example.com", Membership("", Role.CREW))
    async with site.browser(crew, **HTML) as browser:
        for path in ("/", "/projects", f"/projects/{site.project.id}", "/live"):
            assert (await browser.get(path)).status_code == 403
        assert (await browser.get(f"/builds/{site.red}")).status_code == 404
        assert (await browser.get("/account")).status_code == 200


async def test_what_is_another_account_s_is_not_there(site: Site, browser: httpx2.AsyncClient) -> None:
    for project in (site.foreign.id, "0" * 32, "shop", "../x"):
        for below in ("", "/settings", "/part/builds", "/live"):
            answer = await browser.get(f"/projects/{project}{below}")
            assert answer.status_code == 404, f"{project}{below}"
        for below in ("/builds", "/settings", "/settings/secrets", "/settings/key", "/settings/remove"):
            answer = await browser.post(f"/projects/{project}{below}", data={"name": "bank"})
            assert answer.status_code == 404, f"{project}{below}"
    assert (await browser.get(f"/?project={site.foreign.id}")).text.count("/builds/") < 8
    assert site.foreign_build not in (await browser.get(f"/?project={site.foreign.id}")).text
    assert (await browser.get("/", params={"before": site.foreign_build})).status_code == 422


async def test_a_form_from_another_site_is_refused(site: Site, browser: httpx2.AsyncClient) -> None:
    evil = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.net"}
    for path in ("/sign-out", "/account/tokens", f"/projects/{site.project.id}/settings/remove"):
        assert (await browser.post(path, headers=evil, data={"remove_name": "shop"})).status_code == 403
    assert (await browser.get("/projects")).status_code == 200


async def test_the_theme_and_the_keys_are_kept_in_the_browser(browser: httpx2.AsyncClient) -> None:
    assert '<html lang="en" data-theme="system" data-keys="on">' in (await browser.get("/")).text
    answer = await browser.post("/account/preferences", data={"theme": "dark", "keys": "off"})
    assert answer.status_code == 303
    assert all("secure" in one.lower() for one in answer.headers.get_list("set-cookie"))
    assert '<html lang="en" data-theme="dark" data-keys="off">' in (await browser.get("/")).text
    await browser.post("/account/preferences", data={"theme": '"><script>', "keys": "x"})
    assert '<html lang="en" data-theme="system" data-keys="on">' in (await browser.get("/")).text


async def test_what_a_cookie_holds_is_never_written_into_a_page(site: Site) -> None:
    cookies = f"{THEME_COOKIE}=dark' onload='x; {KEYS_COOKIE}=<script>"
    async with site.client(**HTML) as stranger:
        answer = await stranger.get("/sign-in", headers={"Cookie": cookies})
    assert 'data-theme="system" data-keys="on"' in answer.text and "onload" not in answer.text
