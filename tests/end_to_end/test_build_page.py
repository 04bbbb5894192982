"""A build's page in a real browser, over a served site: what a person does with a build and its log."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Page, expect

from sealock.core.build import Outcome
from sealock.core.builds import run_id
from sealock.core.event import CommandStarted, PhaseStarted
from sealock.core.event_text import to_text
from tests.support.browser import chromium, fail_with, press_in_a_row, screenshot, signed_in
from tests.support.build_desk import Desk, begin_live, build_desk, in_window, line
from tests.support.fake_log import SealedShelf, write_phase
from tests.support.site import progress, serve_site

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
LINES = 3000
SOON = 10.0
"""Seconds on a busy host; what is only looked for now and then takes longer."""


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with build_desk(tmp_path, LINES) as made:
        yield made


async def test_a_failed_build_opens_at_the_line_that_says_why(desk: Desk) -> None:
    page = await desk.red()
    await expect(line(page, desk.failing)).to_contain_text("assert 1 == 2")
    assert await in_window(page, desk.failing)
    await expect(page).to_have_title(re.compile(r"^Red: shop #2"))
    assert "icon-red" in str(await page.locator('link[rel="icon"]').get_attribute("href"))
    await screenshot(page, "build-red")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_serious(desk: Desk, theme: Any) -> None:
    context = await signed_in(desk.browser, desk.served, color_scheme=theme)
    site = desk.served.site
    for path in (f"/builds/{site.red}", f"/builds/{site.queued}", f"/builds/{site.red}/log"):
        page = await desk.open(path, context)
        await page.wait_for_timeout(500)
        await screenshot(page, f"build-{theme}-{'log' if path.endswith('log') else path[-4:]}")
        found = await Axe().run(page)
        bad = [one for one in found.response["violations"] if one["impact"] in ("serious", "critical")]
        assert not bad, [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in bad]
    await context.close()


async def test_lines_have_addresses_that_work_before_their_page_is_loaded(desk: Desk) -> None:
    page = await desk.red("#L1200-L1204")
    await expect(line(page, 1200)).to_have_class(re.compile("marked"))
    await expect(line(page, 1204)).to_have_class(re.compile("marked"))
    assert await in_window(page, 1200)
    await line(page, 1206).locator("a.n").click()
    await expect(page).to_have_url(re.compile(r"#L1206$"))
    await line(page, 1208).locator("a.n").click(modifiers=["Shift"])
    await expect(page).to_have_url(re.compile(r"#L1206-L1208$"))
    await desk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.get_by_role("button", name="Copy address of the lines").click()
    await expect(page.locator("#announce")).to_have_text("The address is copied.")
    assert await page.evaluate("navigator.clipboard.readText()") == page.url


async def test_a_search_goes_through_the_whole_log(desk: Desk) -> None:
    page = await desk.red()
    await page.keyboard.press("/")
    await page.keyboard.type("test_25")
    count = page.locator(".log-search output")
    await expect(count).to_have_text("1 of 111")
    await expect(page.locator(".l.hit .t-found")).to_have_text("test_25")
    await page.keyboard.press("Enter")
    await expect(count).to_have_text("2 of 111")
    await expect(page.locator(".l.hit")).to_contain_text("test_250.py")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.press("Shift+Enter")
    await expect(count).to_have_text("111 of 111")
    await screenshot(page, "build-search")
    await page.keyboard.press("Escape")
    await expect(page.locator(".log-search")).to_be_hidden()
    await expect(page.locator(".l.hit")).to_have_count(0)
    await page.keyboard.press("/")
    await page.keyboard.type("nowhere to be found")
    await expect(count).to_have_text("not found")


async def test_the_browsers_own_search_is_taken_over_within_the_log_alone(desk: Desk) -> None:
    page = await desk.red()
    await page.locator("h1").click()
    await page.keyboard.press("Control+f")
    await expect(page.locator(".log-search")).to_be_hidden()
    await page.locator(".log-box").focus()
    await page.keyboard.press("Control+f")
    await expect(page.locator(".log-search input")).to_be_focused()


async def test_what_went_well_is_folded_and_can_be_opened(desk: Desk) -> None:
    page = await desk.red()
    await page.get_by_role("button", name="Start", exact=True).click()
    setup = page.get_by_role("button", name=re.compile(r"^setup"))
    await expect(setup).to_have_attribute("aria-expanded", "false")
    await expect(line(page, 1)).to_have_count(0)
    await setup.click()
    await page.get_by_role("button", name=re.compile(r"^pip install")).click()
    await expect(line(page, 1)).to_have_text(re.compile("Collecting pytest"))
    await setup.click()
    await expect(line(page, 1)).to_have_count(0)
    await expect(setup).to_be_focused()


async def test_keys_alone_do_all_of_it(desk: Desk) -> None:
    page = await desk.red()
    await page.keyboard.press("?")
    await expect(page.locator("#keys")).to_contain_text("Next error")
    await page.keyboard.press("Escape")
    await page.keyboard.press("j")
    await expect(page.locator('.step[data-step="setup"] summary')).to_be_focused()
    await page.keyboard.press("j")
    await page.keyboard.press("k")
    await page.keyboard.press("Enter")
    await expect(page.locator('.step[data-step="setup"]')).to_have_attribute("open", "")
    await page.keyboard.press("n")
    await expect(page.locator("#announce")).to_have_text(re.compile(r"^Error 1 of 2, line \d+"))
    await page.keyboard.press("n")
    await expect(page.locator("#announce")).to_have_text(re.compile(r"^Error 2 of 2"))
    await page.keyboard.press("p")
    await expect(page).to_have_url(re.compile(rf"#L{desk.failing}$"))
    await page.locator(".log-box").focus()
    before = await page.evaluate("document.querySelector('.log-box').scrollTop")
    await page.keyboard.press("PageUp")
    await page.wait_for_function(f"() => document.querySelector('.log-box').scrollTop < {before}")
    await press_in_a_row(page, "gd", f"{desk.served.url}/")


async def test_what_the_reader_chose_stays(desk: Desk) -> None:
    page = await desk.red()
    await page.get_by_label("Times of lines").select_option("relative")
    await page.get_by_role("button", name="Wrap").click()
    assert await in_window(page, await top_line(page) + 1)
    page = await desk.red()
    await expect(page.locator(".log-box")).to_have_attribute("data-times", "relative")
    await expect(page.locator(".log-box")).to_have_class(re.compile("wrapped"))
    assert await in_window(page, desk.failing)


async def top_line(page: Page) -> int:
    return int(
        await page.evaluate(
            """() => { const top = document.querySelector(".log-box").getBoundingClientRect().top;
            return [...document.querySelectorAll(".log-box .l")].find(
              (row) => row.getBoundingClientRect().top >= top).dataset.n; }"""
        )
    )


async def test_a_running_build_is_followed_although_its_command_has_not_ended_well_yet(desk: Desk) -> None:
    live = await begin_live(desk)
    now = time.time()
    for told in (PhaseStarted("test:unit", now), CommandStarted(1, "make test", now)):
        live.writer.mark(to_text(told))
    await live.print(200)
    page = await desk.open(f"/builds/{desk.served.site.running}")
    await expect(line(page, 200)).to_be_visible()
    await expect(page.get_by_role("button", name="Following")).to_be_visible()
    await expect(page.get_by_role("button", name="↓ error")).to_be_hidden()


async def test_a_short_log_is_no_higher_than_its_lines(desk: Desk) -> None:
    site = desk.served.site
    assert isinstance(site.shelf, SealedShelf)
    writer = site.shelf.begin(site.project.id, run_id(site.green, 1))
    write_phase(writer, "test:unit", [("make test", b"ok\n" * 500, 0)], time.time())
    writer.close()
    page = await desk.open(f"/builds/{site.green}")
    await page.wait_for_selector(".log.is-open .h")
    high = "document.querySelector('.log-box').getBoundingClientRect().height"
    await page.wait_for_function(f"() => {high} < 100")
    await page.get_by_role("button", name=re.compile(r"^test:unit")).click()
    await page.get_by_role("button", name=re.compile(r"^make test")).click()
    await page.wait_for_function(f"() => 300 < {high}")
    assert await page.evaluate(high) <= 900, "no higher than the window"


async def test_lines_come_live_and_none_is_lost_when_the_connection_drops(
    desk: Desk,
) -> None:
    live = await begin_live(desk)
    await live.print(5)
    page = await desk.open(f"/builds/{desk.served.site.running}")
    await expect(line(page, 5)).to_have_text(re.compile("live 5"))
    started = time.monotonic()
    await live.print(1)
    await expect(line(page, 6)).to_have_text(re.compile("live 6"))
    assert time.monotonic() - started < SOON
    for _ in range(4):
        await live.print(300)
        await desk.context.set_offline(True)
        await live.print(40)
        await page.wait_for_timeout(300)
        await desk.context.set_offline(False)
    await expect(line(page, live.written)).to_be_visible()
    assert await live.shown(page) == [f"live {number}" for number in range(1, live.written + 1)]
    desk.complaints.clear()  # that the network was away


async def test_following_stops_when_the_reader_scrolls_up_and_goes_on_by_the_button(desk: Desk) -> None:
    live = await begin_live(desk)
    await live.print(400)
    page = await desk.open(f"/builds/{desk.served.site.running}")
    follow = page.locator('[data-do="follow"]')
    await expect(follow).to_have_attribute("aria-pressed", "true")
    await expect(line(page, 400)).to_be_visible()
    await page.locator(".log-box").hover()
    await page.mouse.wheel(0, -600)
    await expect(follow).to_have_attribute("aria-pressed", "false")
    place = await page.evaluate("document.querySelector('.log-box').scrollTop")
    await live.print(100)
    await page.wait_for_timeout(1500)
    assert await page.evaluate("document.querySelector('.log-box').scrollTop") == place
    await follow.click()
    assert await in_window(page, 500)
    await live.print(100)
    await expect(line(page, 600)).to_be_visible()
    await screenshot(page, "build-live")


async def test_the_page_follows_the_build_to_its_end(desk: Desk) -> None:
    site = desk.served.site
    live = await begin_live(desk)
    page = await desk.open(f"/builds/{site.running}")
    await expect(page.locator(".build-head h1")).to_contain_text("Running")
    await live.print(3)
    await site.worker_says(site.running, progress(Outcome.RED))
    await expect(page.locator("#announce")).to_have_text("Step unit failed")
    await expect(page.locator('.step[data-step="unit"]')).to_have_attribute("data-state", "failed")
    live.writer.close()
    await site.finish(site.running, Outcome.RED)
    await expect(page.locator(".build-head h1")).to_contain_text("Red")
    await expect(page).to_have_title(re.compile("^Red: "))
    await expect(page.locator(".log-state")).to_have_text("complete")
    assert "icon-red" in str(await page.locator('link[rel="icon"]').get_attribute("href"))


async def test_a_build_that_waits_says_why_and_its_log_comes_when_it_begins(desk: Desk) -> None:
    site = desk.served.site
    page = await desk.open(f"/builds/{site.queued}")
    await expect(page.locator(".waiting-why")).to_contain_text("Number 1 of 1")
    await screenshot(page, "build-queued")
    await expect(page.locator(".log-links")).to_be_hidden()
    await site.claim(site.queued)
    assert isinstance(site.shelf, SealedShelf)
    await expect(page.locator(".build-head h1")).to_contain_text("Running")
    writer = site.shelf.begin(site.project.id, run_id(site.queued, 1))
    writer.write(b"it begins\n")
    writer.flush()
    await expect(line(page, 1)).to_contain_text("it begins")
    writer.close()
    await expect(page.get_by_role("link", name="Download")).to_be_visible()


async def test_cancel_and_restart(desk: Desk) -> None:
    site = desk.served.site
    page = await desk.open(f"/builds/{site.running}")
    started = time.monotonic()
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.locator(".build-head h1")).to_contain_text("Stopping")
    assert time.monotonic() - started < SOON
    page = await desk.red()
    await page.get_by_role("button", name="Restart failed only").click()
    await expect(page.locator(".facts")).to_contain_text("you restarted an earlier build")
    await expect(page.locator(".build-head h1")).to_contain_text("Queued")
    assert site.red not in page.url


async def test_it_can_be_read_at_360_pixels(desk: Desk) -> None:
    context = await signed_in(desk.browser, desk.served, viewport={"width": 360, "height": 740})
    site = desk.served.site
    site.alter(site.red, branch="b" * 4096, author="a" * 400)
    page = await desk.red(context=context)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    assert await in_window(page, desk.failing)
    await screenshot(page, "build-360")
    await page.evaluate("scrollTo(0, 0)")
    await screenshot(page, "build-360-top")
    await context.close()


async def test_without_a_script_all_of_it_can_be_read(desk: Desk) -> None:
    context = await signed_in(desk.browser, desk.served, java_script_enabled=False)
    page = await desk.open(f"/builds/{desk.served.site.red}", context)
    await expect(page.locator(f"#L{desk.failing}")).to_contain_text("assert 1 == 2")
    await screenshot(page, "build-no-script")
    await page.get_by_role("link", name="In pages").click()
    await expect(page.locator(f"#L{desk.failing}")).to_contain_text("assert 1 == 2")
    await page.get_by_role("link", name="Earlier").first.click()
    await expect(page.locator(f"#L{desk.failing - 500}")).to_be_attached()
    await page.go_back()
    await page.go_back()
    await page.get_by_role("button", name="Restart", exact=True).click()
    await expect(page.locator(".build-head h1")).to_contain_text("Queued")
    await context.close()


async def test_what_a_build_prints_runs_nothing(desk: Desk) -> None:
    page = await desk.red()
    await expect(page.get_by_text("<script>alert(1)</script>")).to_be_visible()
    await expect(page.get_by_text("<U+202E>")).to_be_visible()
    assert await page.evaluate("document.querySelectorAll('.log-box script').length") == 0


async def test_a_hundred_thousand_lines_open_at_once(tmp_path: Path) -> None:
    async with (
        SealedShelf(tmp_path / "logs") as shelf,
        serve_site(tmp_path, shelf=shelf) as served,
        chromium() as browser,
    ):
        failing = fail_with(served, 100_000)
        desk = Desk(served, browser, await signed_in(browser, served), failing, [])
        page = await desk.red()
        assert await in_window(page, failing)
        most = 0
        for where in (0, 0.3, 0.6, 1):
            await page.evaluate(
                """(where) => { const box = document.querySelector(".log-box");
                box.scrollTop = where * box.scrollHeight; }""",
                where,
            )
            await page.wait_for_timeout(400)  # for it to notice that it was scrolled
            await expect(page.locator(".log-box .l.waiting")).to_have_count(0)
            most = max(most, await page.evaluate("document.querySelectorAll('*').length"))
        assert most <= 20_000
        assert not desk.complaints


async def test_a_log_in_another_attempt_is_not_mixed_with_it(desk: Desk) -> None:
    """A browser keeps pages by their attempt."""
    asked: list[str] = []
    desk.context.on("request", lambda request: asked.append(request.url))
    await desk.red("#L1200")
    pages = [url for url in asked if "/log/page/" in url]
    assert pages and all("attempt=1" in url for url in pages)
