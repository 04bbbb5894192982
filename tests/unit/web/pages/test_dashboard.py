"""The dashboard: what runs, what is red, what one looks for; it changes by itself."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing

import httpx2
import pytest

from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, Trigger
from sealock.core.builds import NewBuild
from sealock.core.sealed import LOCAL_ACCOUNT
from tests.support.pages import Page
from tests.support.site import Site
from tests.support.site_stream import served

pytestmark = pytest.mark.anyio


def section(html: str, title: str) -> str:
    """The part of a page below a heading of that id."""
    found = re.search(rf'<section aria-labelledby="{title}">.*?</section>', html, re.DOTALL)
    assert found
    return found[0]


def builds_in(html: str) -> set[str]:
    return set(re.findall(r'href="/builds/([0-9a-f]{32})"', html))


async def test_what_runs_and_waits_stands_first(site: Site, browser: httpx2.AsyncClient) -> None:
    html = (await browser.get("/")).text
    assert builds_in(section(html, "now-title")) == {site.running, site.queued}
    assert "1 running, 1 waiting" in html


async def test_a_default_branch_is_failing_until_it_is_green(site: Site, browser: httpx2.AsyncClient) -> None:
    html = (await browser.get("/")).text
    assert builds_in(section(html, "failing-title")) == {site.red}
    await site.build(Outcome.RED, branch="other")
    assert builds_in(section((await browser.get("/")).text, "failing-title")) == {site.red}
    await site.build(Outcome.GREEN)
    assert not builds_in(section((await browser.get("/")).text, "failing-title"))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?status=red", {"red"}),
        ("?status=queued", {"queued"}),
        ("?status=green&branch=main", {"green"}),
        ("?branch=none", set()),
        ("?mine=yes&status=running", {"running"}),
    ],
)
async def test_the_address_says_which_builds(
    site: Site, browser: httpx2.AsyncClient, query: str, names: set[str]
) -> None:
    html = (await browser.get(f"/{query}")).text
    assert builds_in(section(html, "builds-title")) == {getattr(site, name) for name in names}
    part = (await browser.get(f"/part/dashboard{query}")).text
    assert builds_in(section(part, "builds-title")) == {getattr(site, name) for name in names}


async def test_only_mine_are_mine(site: Site, browser: httpx2.AsyncClient) -> None:
    new = NewBuild(site.project.id, Trigger.PUSH, "main", "main", person="0" * 32)
    other = (await site.builds.create(LOCAL_ACCOUNT, new, protected=True)).build
    assert other in builds_in(section((await browser.get("/")).text, "builds-title"))
    assert other not in builds_in(section((await browser.get("/?mine=yes")).text, "builds-title"))


async def test_a_long_list_goes_on_where_it_ended(site: Site, browser: httpx2.AsyncClient) -> None:
    made = {await site.build(branch="long") for _ in range(65)}
    found: list[str] = []
    address = "/?branch=long"
    while address:
        html = section((await browser.get(address)).text, "builds-title")
        found += re.findall(r'data-row href="/builds/([0-9a-f]{32})"', html)
        older = [one for one in Page(html).all("a") if one.get("rel") == "next"]
        address = older[0]["href"] if older else ""
    assert len(found) == 65 and set(found) == made


@pytest.mark.parametrize(
    "query",
    ["status=none", "before=" + "0" * 32, "before=x", "branch=" + "x" * 9000, "branch=%00", "project=%00"],
)
async def test_an_address_that_cannot_be_is_told_so(browser: httpx2.AsyncClient, query: str) -> None:
    assert (await browser.get(f"/?{query}")).status_code == 422


async def test_a_build_of_some_pipelines_says_so(site: Site, browser: httpx2.AsyncClient) -> None:
    """Its green is no word about the others."""
    assert "only <bdi>" not in (await browser.get("/")).text
    await site.service.intake.restart(LOCAL_ACCOUNT, site.red, failed_only=True, person=site.owner.id)
    assert "only <bdi>unit</bdi>" in (await browser.get("/")).text


async def test_without_a_project_it_says_what_to_do(site: Site, browser: httpx2.AsyncClient) -> None:
    for build in (site.running, site.queued):
        await site.service.queue.cancel(build, "of a test")
    await site.finish(site.running, Outcome.CANCELLED)
    await site.projects.remove(LOCAL_ACCOUNT, site.project.id, person="x")
    html = (await browser.get("/")).text
    assert "Nothing is built here yet" in html and 'href="/projects/new"' in html
    assert "Have pushes told" in html, "nothing would be built else"


def live_of(html: str) -> list[str]:
    """The streams that a page listens to."""
    return [one["data-live"] for _, one in Page(html).elements if "data-live" in one]


async def first_event(site: Site, browser: httpx2.AsyncClient, path: str) -> str:
    """A stream up to its first event, once something makes one."""
    async with aclosing(served(site, browser, path, "")) as source, asyncio.timeout(60):
        told = await anext(source)
        await site.build(None, state=BuildState.QUEUED)
        async for piece in source:
            told += piece
            if b"event: " in told:
                break
    return told.decode()


@pytest.mark.parametrize("place", ["/", "project"])
async def test_it_is_told_when_a_build_is_queued(site: Site, browser: httpx2.AsyncClient, place: str) -> None:
    path = "/" if place == "/" else f"/projects/{site.project.id}"
    (live,) = live_of((await browser.get(path)).text)
    told = await first_event(site, browser, live)
    assert told.count("event: state\n") == 1 and told.count("id: ") == 1


async def test_what_a_page_has_is_not_told_again(site: Site, browser: httpx2.AsyncClient) -> None:
    (live,) = live_of((await browser.get("/")).text)
    answer = asyncio.create_task(browser.get(live))
    await asyncio.sleep(0.2)
    site.ports.streams.end()
    assert "event: state" not in (await answer).text
