"""A log's pages, outline, search and download, and pages to read without a script."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from sealock.core.access import Membership
from sealock.core.build import Outcome
from sealock.core.builds import PhaseView, run_id
from sealock.core.grant import Role
from sealock.core.sealed import LOCAL_ACCOUNT
from tests.support.fake_log import SealedShelf, write_phase
from tests.support.site import LOG, Site, make_site

pytestmark = pytest.mark.anyio
LINES = 1234


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Its red build has a log of some pages, in which a command failed."""
    async with SealedShelf(tmp_path / "logs") as shelf, make_site(tmp_path, shelf=shelf) as made:
        writer = shelf.begin(made.project.id, run_id(made.red, 1))
        output = b"".join(b"line %d\n" % number for number in range(1, LINES + 1))
        output = output.replace(b"line 700\n", b"E       AssertionError: \x1b[31mno\x1b[0m <b>\n")
        write_phase(writer, "setup", [("true", b"", 0)], time.time())
        write_phase(writer, "test:unit", [("make test", output, 1)], time.time())
        writer.close()
        yield made


@pytest.fixture
async def browser(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with site.browser() as made:
        yield made


def numbers(html: str) -> list[int]:
    return [int(number) for number in re.findall(r'data-n="(\d+)"', html)]


async def test_pages_hold_every_line_once(site: Site, browser: httpx2.AsyncClient) -> None:
    pages = [await browser.get(f"/builds/{site.red}/log/page/{page}?attempt=1") for page in (1, 2, 3)]
    assert [one.status_code for one in pages] == [200] * 3
    assert [number for one in pages for number in numbers(one.text)] == list(range(1, LINES + 1))


async def test_a_full_page_is_kept_and_is_only_sent_once(site: Site, browser: httpx2.AsyncClient) -> None:
    path = f"/builds/{site.red}/log/page/1?attempt=1"
    first = await browser.get(path)
    assert first.headers["cache-control"] == "private, max-age=3600, immutable"
    assert first.headers["vary"] == "Cookie"
    again = await browser.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


async def test_a_page_that_may_change_is_asked_for_again(site: Site, browser: httpx2.AsyncClient) -> None:
    """Because it grows, or because its address does not name the attempt."""
    grows = await browser.get(f"/builds/{site.running}/log/page/1?attempt=1")
    latest = await browser.get(f"/builds/{site.red}/log/page/1")
    assert grows.headers["cache-control"] == latest.headers["cache-control"] == "private, no-cache"
    site.log(site.running).add("one more")
    after = await browser.get(f"/builds/{site.running}/log/page/1?attempt=1")
    assert after.headers["etag"] != grows.headers["etag"]


@pytest.mark.parametrize("page", ["0", "4", "-1", "99999999999999999999", "x", "1e3"])
async def test_there_is_no_other_page(site: Site, browser: httpx2.AsyncClient, page: str) -> None:
    answer = await browser.get(f"/builds/{site.red}/log/page/{page}?attempt=1")
    assert answer.status_code in (400, 404, 422)


async def test_the_outline_has_what_can_be_folded_and_the_failing_line(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    found = (await browser.get(f"/builds/{site.red}/log/outline?attempt=1")).json()
    assert (found["total_lines"], found["complete"], found["failing_line"]) == (LINES, True, 700)
    setup, test = found["groups"]
    assert (setup["is_open"], test["is_open"], test["ok"], test["lines"]) == (False, True, False, LINES)
    command = test["groups"][0]
    assert (command["name"], command["exit_code"], command["took"]) == ("make test", 1, "1.5 s")
    assert len({setup["id"], test["id"], command["id"]}) == 3


async def test_while_it_runs_no_line_is_where_it_failed(site: Site, browser: httpx2.AsyncClient) -> None:
    assert isinstance(site.shelf, SealedShelf)
    writer = site.shelf.begin(site.project.id, run_id(site.running, 1))
    write_phase(writer, "setup", [("true", b"one\ntwo\n", 1)], time.time())
    path = f"/builds/{site.running}/log"
    assert (await browser.get(f"{path}/outline?attempt=1")).json()["failing_line"] is None
    assert "Where it failed" not in (await browser.get(path)).text
    writer.close()
    assert (await browser.get(f"{path}/outline?attempt=1")).json()["failing_line"] is not None


@pytest.mark.parametrize(("outcome", "stopped"), [(Outcome.CANCELLED, True), (Outcome.RED, False)])
async def test_what_was_stopped_is_not_told_to_have_failed(
    site: Site, browser: httpx2.AsyncClient, outcome: Outcome, stopped: bool
) -> None:
    build, now = await site.build(outcome), time.time()
    site.alter(build, phases=(PhaseView("test:unit", now, now, ok=False),))
    assert isinstance(site.shelf, SealedShelf)
    writer = site.shelf.begin(site.project.id, run_id(build, 1))
    code = None if stopped else 3
    write_phase(writer, "test:unit", [("sleep 9", b"one\n", code)], now)
    writer.close()
    (phase,) = (await browser.get(f"/builds/{build}/log/outline?attempt=1")).json()["groups"]
    assert (phase["stopped"], phase["groups"][0]["stopped"]) == (stopped, stopped)


async def test_a_search_says_how_many_and_gives_some(site: Site, browser: httpx2.AsyncClient) -> None:
    first = (await browser.get(f"/builds/{site.red}/log/search?q=LINE&attempt=1")).json()
    assert (first["of"], first["more"], len(first["hits"])) == (1000, True, 20)
    last = (await browser.get(f"/builds/{site.red}/log/search?q=line 12&first=41&attempt=1")).json()
    assert last["of"] == 46 and [hit["number"] for hit in last["hits"]] == [41, 42, 43, 44, 45, 46]
    assert '<span class="t-found">line 12</span>' in last["hits"][0]["html"]
    exact = (await browser.get(f"/builds/{site.red}/log/search?q=LINE&case=true&attempt=1")).json()
    assert (exact["of"], exact["hits"]) == (0, [])


@pytest.mark.parametrize("text", ["", "a%0Ab", "x" * 1001])
async def test_what_cannot_be_searched_for_is_said(
    site: Site, browser: httpx2.AsyncClient, text: str
) -> None:
    answer = await browser.get(f"/builds/{site.red}/log/search?q={text}&attempt=1")
    assert answer.status_code in (400, 422)


async def test_the_download_is_all_of_it_as_a_file(site: Site, browser: httpx2.AsyncClient) -> None:
    answer = await browser.get(f"/builds/{site.red}/log/raw?attempt=1")
    assert answer.content.count(b"\n") == LINES
    assert answer.headers["content-disposition"] == 'attachment; filename="build-2-1.log"'
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_without_a_script_the_failing_page_comes_first(site: Site, browser: httpx2.AsyncClient) -> None:
    page = (await browser.get(f"/builds/{site.red}/log")).text
    assert numbers(page) == list(range(501, 1001)) and "Page 2 of 3" in page
    assert f'href="/builds/{site.red}/log?attempt=1&amp;page=3"' in page
    assert '<a class="n" href="/builds/' in page and "#L700" in page
    last = (await browser.get(f"/builds/{site.red}/log?page=3")).text
    assert numbers(last)[-1] == LINES and 'rel="next"' not in last


async def test_the_page_itself_has_the_lines_around_the_failure(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    page = (await browser.get(f"/builds/{site.red}")).text
    assert numbers(page) == list(range(692, 741))
    assert 'data-failing="700"' in page and "make test" in page
    assert re.findall(r'<div class="l failing" id="L(\d+)"', page) == ["700"]


async def test_the_page_has_the_last_lines_of_a_build_that_did_not_fail(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    for build in (site.green, site.running):
        page = (await browser.get(f"/builds/{build}")).text
        assert numbers(page) == list(range(1, len(LOG) + 1)), "all there is"
        assert 'class="l failing"' not in page and "says why" not in page


async def test_who_opens_a_log_is_who_the_keeper_is_told(site: Site, browser: httpx2.AsyncClient) -> None:
    assert isinstance(site.shelf, SealedShelf)
    await browser.get(f"/builds/{site.red}/log/page/1?attempt=1")
    assert site.shelf.kept.opened == [(site.owner.id, site.red)]


async def test_a_removed_log_is_said_to_be_plainly(site: Site, browser: httpx2.AsyncClient) -> None:
    await site.shelf.remove(LOCAL_ACCOUNT, site.project.id, site.red, person=site.owner.id)
    for path in (f"/builds/{site.red}", f"/builds/{site.red}/log"):
        answer = await browser.get(path)
        assert answer.status_code == 200 and "was removed" in answer.text
    for path in ("page/1", "outline", "search?q=x", "raw", "live"):
        assert (await browser.get(f"/builds/{site.red}/log/{path}")).status_code == 404


async def test_a_log_that_was_never_begun_is_said_to_be_so(site: Site, browser: httpx2.AsyncClient) -> None:
    waits = (await browser.get(f"/builds/{site.queued}")).text
    assert "This build has not begun yet." in waits
    await site.queue.cancel(site.queued, "cancelled by a test")
    never = (await browser.get(f"/builds/{site.queued}")).text
    assert "This build never began" in never and "Restart it" in never


async def test_a_keeper_that_is_away_takes_nothing_but_the_log(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    assert isinstance(site.shelf, SealedShelf)
    site.shelf.kept.away = True
    page = (await browser.get(f"/builds/{site.red}")).text
    assert "The log cannot be read just now." in page and "make test ended with 1" in page


async def test_without_the_permission_to_read_logs_the_page_has_none(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sealock.core import access

    less = access.ROLE_PERMISSIONS[Role.MEMBER] - {access.Permission.LOGS_READ}
    monkeypatch.setitem(access.ROLE_PERMISSIONS, Role.MEMBER, less)
    member = await site.add_person("bob@example.com", Membership(LOCAL_ACCOUNT, Role.MEMBER))
    async with site.browser(member) as browser:
        page = (await browser.get(f"/builds/{site.red}")).text
        assert "You may not read this log." in page and not numbers(page)
        for path in ("", "/page/1", "/outline", "/search?q=x", "/raw", "/live"):
            assert (await browser.get(f"/builds/{site.red}/log{path}")).status_code == 403


async def test_readers_that_go_away_leave_no_log_open(site: Site, browser: httpx2.AsyncClient) -> None:
    assert isinstance(site.shelf, SealedShelf)
    await asyncio.gather(*(browser.get(f"/builds/{site.red}/log/raw") for _ in range(4)))
    assert all(each.users == 0 for each in site.shelf.shelf.readers._all)
    assert (await site.view(site.red)).outcome is Outcome.RED
