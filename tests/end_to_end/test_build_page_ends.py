"""A build's page that was open while its build ended, in a real browser: it says what a new load says, and
tells what was stopped from what failed."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from sealock.core.build import Outcome
from sealock.core.log import LogWriter
from sealock.core.sealed import LOCAL_ACCOUNT
from tests.support.browser import screenshot
from tests.support.build_desk import Desk, begin_live, build_desk
from tests.support.fake_log import write_phase
from tests.support.site import progress

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with build_desk(tmp_path, 20) as made:
        settings = await made.served.site.projects.settings(LOCAL_ACCOUNT, made.served.site.project.id)
        kept = replace(settings, keep_logs=30)
        await made.served.site.projects.change(LOCAL_ACCOUNT, made.served.site.project.id, kept)
        yield made


async def read(page: Page) -> list[str]:
    """What a reader sees of the page, line by line, but that the log they followed is complete."""
    text: str = await page.evaluate(
        """() => { for (const one of document.querySelectorAll(".log-state")) one.textContent = "";
        return document.querySelector("main .build").innerText; }"""
    )
    return [line.strip() for line in text.splitlines() if line.strip()]


async def says_what_a_new_load_says(desk: Desk, page: Page, build: str) -> str:
    """What both say, once the page that was open does."""
    again = await desk.open(f"/builds/{build}")
    await again.wait_for_timeout(500)
    fresh = await read(again)
    for _ in range(30):
        if await read(page) == fresh:
            break
        await page.wait_for_timeout(100)
    assert await read(page) == fresh
    assert await page.title() == await again.title()
    return "\n".join(fresh)


def write_steps(writer: LogWriter, exit_code: int | None) -> None:
    """The log of a build of two steps, the last of which is at its end."""
    begun = time.time() - 60
    for name in ("machine", "fetch"):
        write_phase(writer, name, [], begun)
    write_phase(writer, "setup", [("make deps", b"ok\n", 0)], begun)
    write_phase(writer, "test:unit", [("make test", b"all of it\nE   assert 1 == 2\n", exit_code)], begun)


@pytest.mark.parametrize("outcome", [Outcome.GREEN, Outcome.RED])
async def test_a_page_that_was_open_says_what_a_new_load_says(desk: Desk, outcome: Outcome) -> None:
    site = desk.served.site
    live = await begin_live(desk)
    page = await desk.open(f"/builds/{site.running}")
    await expect(page.locator(".log-state")).to_have_text("live")
    write_steps(live.writer, 0 if outcome is Outcome.GREEN else 1)
    live.writer.close()
    await live.tell()
    await site.worker_says(site.running, progress(outcome))
    await site.finish(site.running, outcome)
    await expect(page.locator(".log-state")).to_have_text("complete")
    said = await says_what_a_new_load_says(desk, page, site.running)
    assert "Receipt" in said and "Kept until" in said and "Against build" in said
    assert ("failed; it says why at line" in said) == (outcome is Outcome.RED)
    await screenshot(page, f"build-ended-{outcome.value}")


async def test_a_page_of_a_build_that_never_began_says_so_too(desk: Desk) -> None:
    site = desk.served.site
    page = await desk.open(f"/builds/{site.queued}")
    await expect(page.locator(".log-none")).to_contain_text("has not begun yet")
    await site.queue.cancel(site.queued, "cancelled by ada")
    await expect(page.locator(".build-head h1")).to_contain_text("Cancelled")
    said = await says_what_a_new_load_says(desk, page, site.queued)
    assert "This build never began, so it printed nothing." in said
    assert "Search" not in said


@pytest.mark.parametrize(
    ("outcome", "exit_code", "told"), [(Outcome.CANCELLED, None, "stopped"), (Outcome.RED, 1, "exit code 1")]
)
async def test_headings_tell_what_was_stopped_from_what_failed(
    desk: Desk, outcome: Outcome, exit_code: int | None, told: str
) -> None:
    site = desk.served.site
    live = await begin_live(desk)
    write_steps(live.writer, exit_code)
    live.writer.close()
    await site.worker_says(site.running, progress(outcome))
    await site.finish(site.running, outcome)
    page = await desk.open(f"/builds/{site.running}")
    good, command = heading(page, "setup"), heading(page, "make test")
    await expect(command).to_contain_text(told)
    await expect(heading(page, "test:unit")).to_contain_text("stopped" if exit_code is None else "failed")
    colours = [await one.evaluate("(one) => getComputedStyle(one).color") for one in (good, command)]
    assert (colours[0] != colours[1]) == (outcome is Outcome.RED), "as bad only if it failed"
    assert "failed" not in await page.locator(".log-box").inner_text() or outcome is Outcome.RED


def heading(page: Page, name: str) -> Locator:
    """Of a phase or a command in the log."""
    return page.locator(".log-box .h").get_by_role("button", name=re.compile(f"^{name}"))
