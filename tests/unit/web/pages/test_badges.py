"""Badges: what they show, to whom, and what nobody gets out of one."""

from __future__ import annotations

from xml.etree import ElementTree

import httpx2
import pytest

from sealock.core.build import Outcome
from sealock.core.build_state import BuildState
from sealock.web.security import HEADERS, SHOWN_BY
from tests.support.site import Site

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
SVG = "{http://www.w3.org/2000/svg}"


async def address(site: Site, browser: httpx2.AsyncClient) -> str:
    told = (await browser.get(f"/api/v1/projects/{site.project.id}/badge")).json()
    assert told["url"].startswith(f"{site.origin}/badges/{site.project.id}/")
    assert told["markdown"] == f"[![build]({told['url']})]({site.origin}/projects/{site.project.id})"
    return str(told["url"])


def drawing(answer: httpx2.Response) -> ElementTree.Element:
    return ElementTree.fromstring(answer.text)  # noqa: S314 - of our own making


def texts(answer: httpx2.Response) -> list[str]:
    return [str(one.text) for one in drawing(answer).iter(f"{SVG}text")]


async def test_whoever_has_the_address_sees_how_a_branch_stands(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    url = await address(site, browser)
    await site.build(Outcome.RED, branch="main")
    await site.build(Outcome.GREEN, branch="dev")
    await site.build(state=BuildState.RUNNING, branch="dev")
    from_elsewhere = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}
    async with site.client(**from_elsewhere) as stranger:
        main = await stranger.get(url)
        assert (main.status_code, texts(main)) == (200, ["main", "red"])
        assert texts(await stranger.get(url, params={"branch": "dev"})) == ["dev", "green"]
        assert texts(await stranger.get(url, params={"branch": "none"})) == ["none", "not built yet"]
    picture = drawing(main)
    assert picture.get("role") == "img" and picture.get("aria-label") == "main: red"
    assert picture.findtext(f"{SVG}title") == "main: red", "who cannot see it is told the same"


async def test_every_outcome_has_its_word(site: Site, browser: httpx2.AsyncClient) -> None:
    url = await address(site, browser)
    for outcome in Outcome:
        await site.build(outcome, branch="main")
        assert texts(await browser.get(url)) == ["main", outcome.value.replace("-", " ")]


async def test_nobody_keeps_it_and_an_unchanged_one_is_not_sent_again(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    url = await address(site, browser)
    first = await browser.get(url)
    assert first.headers["cache-control"] == "no-cache"
    same = {"If-None-Match": first.headers["etag"]}
    again = await browser.get(url, headers=same)
    assert (again.status_code, again.content) == (304, b"")
    await site.build(Outcome.GREEN, branch="main")
    assert (await browser.get(url, headers=same)).status_code == 200


async def test_it_alone_may_be_shown_by_other_websites(site: Site, browser: httpx2.AsyncClient) -> None:
    answer = await browser.get(await address(site, browser))
    assert answer.headers[SHOWN_BY] == "cross-origin" and answer.headers["content-type"] == "image/svg+xml"
    others = {name: value for name, value in HEADERS.items() if name != SHOWN_BY}
    assert {name: answer.headers[name] for name in others} == others
    for path in ("/", f"/projects/{site.project.id}", f"/badges/{site.project.id}/{'0' * 32}.svg"):
        assert (await browser.get(path)).headers[SHOWN_BY] == "same-origin"


async def test_without_the_key_there_is_no_badge(site: Site, browser: httpx2.AsyncClient) -> None:
    """Also not for who is signed in, and a stranger learns not which projects there are."""
    url = await address(site, browser)
    key = url.rsplit("/", 1)[1]
    wrong = [
        f"/badges/{site.project.id}/{'0' * 32}.svg",
        f"/badges/{'9' * 32}/{key}",
        f"/badges/{site.foreign.id}/{key}",
    ]
    told = set()
    for path in wrong:
        answer = await browser.get(path)
        told.add((answer.status_code, answer.text.replace(answer.headers["x-request-id"], "")))
    assert len(told) == 1 and {status for status, _ in told} == {404}
    for path in (url[:-5] + ".svg", url.replace(".svg", "0.svg"), url.replace(".svg", "")):
        assert (await browser.get(path)).status_code in (404, 422)


async def test_a_new_address_ends_the_one_before(site: Site, browser: httpx2.AsyncClient) -> None:
    old = await address(site, browser)
    answer = await browser.post(f"/projects/{site.project.id}/badge")
    assert answer.status_code == 303
    new = await address(site, browser)
    assert new != old and (await browser.get(old)).status_code == 404
    assert (await browser.get(new)).status_code == 200
    assert new in (await browser.get(f"/projects/{site.project.id}")).text
    made = await browser.post(f"/api/v1/projects/{site.project.id}/badge")
    assert made.status_code == 201 and (await browser.get(new)).status_code == 404


@pytest.mark.parametrize(
    "branch",
    ["<script>alert(1)</script>", '"><svg onload=x>', "a\u202eb\x1b[1m", "a\ufffeb\uffff", "x" * 250],
)
async def test_a_branchs_name_is_text(site: Site, browser: httpx2.AsyncClient, branch: str) -> None:
    answer = await browser.get(await address(site, browser), params={"branch": branch})
    assert answer.status_code == 200 and len(answer.content) < 4000
    kinds = {one.tag.removeprefix(SVG) for one in drawing(answer).iter()}
    assert kinds <= {"svg", "title", "rect", "path", "text", "circle", "g"}
    assert "\u202e" not in answer.text and "\x1b" not in answer.text


async def test_it_is_as_wide_as_its_letters(site: Site, browser: httpx2.AsyncClient) -> None:
    url = await address(site, browser)
    lengths = []
    for branch in ("illi", "mmmm"):
        text = drawing(await browser.get(url, params={"branch": branch})).find(f"{SVG}text")
        assert text is not None
        lengths.append(int(text.attrib["textLength"]))
    assert 10 <= lengths[0] < 20 and lengths[1] > 38, "letters are neither pressed nor stretched"
