"""The head of a build's page: what a person reads first, whatever the build says of itself."""

from __future__ import annotations

import re
import time

import httpx2
import pytest

from sealock.core.build import Outcome
from sealock.core.builds import PhaseView
from sealock.core.event import NO_IMAGE
from sealock.core.sealed import LOCAL_ACCOUNT
from tests.support.site import COMMIT, Site

pytestmark = pytest.mark.anyio


async def head_of(browser: httpx2.AsyncClient, build: str) -> str:
    return (await browser.get(f"/builds/{build}/part/head")).text


async def test_a_long_message_shows_its_first_line_and_folds_the_rest(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    message = "Count what was paid\n\n" + "\n".join(f"line {number}" for number in range(100))
    head = await head_of(browser, await site.build(Outcome.GREEN, message=message))
    subject = re.search(r'<p class="build-subject">(.*?)</p>', head)
    assert subject and "Count what was paid" in subject[1] and "line 0" not in subject[1]
    assert re.search(r"<details[^>]*>.*line 99.*</details>", head, re.DOTALL)


async def test_a_message_of_one_line_has_nothing_to_unfold(site: Site, browser: httpx2.AsyncClient) -> None:
    assert "<details" not in await head_of(browser, site.green)


async def test_times_are_told_from_now_with_the_clock_behind_them(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    head = await head_of(browser, site.red)
    assert re.search(r'<dt>Asked for</dt><dd><time data-ago [^>]*title="[-0-9]+ [:0-9]+ UTC">just now<', head)
    assert f'data-copy-text="{COMMIT}" hidden' in head, "no use without a script"


async def test_code_that_could_not_be_fetched_leads_to_the_projects_key(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    build = await site.build(Outcome.ERROR, steps=())
    assert "could not run it" in await head_of(browser, build)
    now = time.time()
    phases = (PhaseView("machine", now - 5, now - 4, ok=True), PhaseView("fetch", now - 4, now, ok=False))
    site.alter(build, phases=phases, steps=())
    head = await head_of(browser, build)
    assert f'href="/projects/{site.project.id}#repository-title"' in head
    assert "could not run it" not in head and "Restart failed only" not in head


async def test_an_image_that_is_not_there_is_not_to_be_restarted(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    build = await site.build(Outcome.ERROR)
    site.alter(build, reason="there is no image 'nothere' on this host")
    assert "could not run it" in await head_of(browser, build), "known by what happened, not by words"
    now = time.time()
    site.alter(build, phases=(PhaseView(NO_IMAGE, now, now, ok=False),), steps=())
    head = await head_of(browser, build)
    assert "nothere" in head and "name another after <code>image:</code>" in head
    assert "could not run it" not in head


async def test_the_icon_of_the_page_says_how_the_build_stands_without_a_script(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    for build, icon in ((site.red, "red"), (site.green, "green"), (site.queued, "queued")):
        page = (await browser.get(f"/builds/{build}")).text
        assert re.search(rf'<link rel="icon" href="/static/[0-9a-f]+/icon-{icon}\.svg">', page)


async def test_how_it_stands_is_said_once(site: Site, browser: httpx2.AsyncClient) -> None:
    build = await site.build(Outcome.CANCELLED, branch="other")
    site.alter(build, reason="cancelled by Ada")
    head = await head_of(browser, build)
    assert "cancelled by Ada" in head and "It was cancelled" not in head
    site.alter(build, reason="it was cancelled")
    assert (await head_of(browser, build)).lower().count("it was cancelled") == 1
    waiting = await head_of(browser, site.queued)
    assert "Number 1 of 1 that wait" in waiting and "It waits" not in waiting


async def test_a_receipt_is_offered_if_there_is_one(site: Site, browser: httpx2.AsyncClient) -> None:
    assert f'href="/builds/{site.red}/receipt"' in await head_of(browser, site.red)
    assert "/receipt" not in await head_of(browser, site.running)
    await site.lose_receipt(site.red)
    assert "/receipt" not in await head_of(browser, site.red)


async def test_a_build_that_reached_no_step_says_so_where_its_log_would_be(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    del site.shelf.logs[LOCAL_ACCOUNT, site.project.id, site.red]
    page = (await browser.get(f"/builds/{site.red}")).text
    assert "There is no log of build" in page, "its steps had begun: it had one"
    site.alter(site.red, steps=())
    page = (await browser.get(f"/builds/{site.red}")).text
    assert "This build ended before its first step, so it printed nothing." in page
