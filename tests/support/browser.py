"""A real browser for tests of pages, in which somebody is signed in, and a build to look at."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Page, async_playwright, expect
from playwright.async_api import TimeoutError as TooLate

from sealock.core.build_state import StepState
from sealock.core.builds import PhaseView, Progress, StepView, run_id
from sealock.web.cookies import NAME
from tests.support.fake_log import SealedShelf, write_phase
from tests.support.site import ServedSite

CHROMIUM = "/usr/bin/chromium"
BUSY = 60_000
"""Milliseconds for what takes a moment on a quiet host."""

expect.set_options(timeout=BUSY)


@asynccontextmanager
async def chromium() -> AsyncIterator[Any]:
    """The browser."""
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield made
        finally:
            await made.close()


async def signed_in(browser: Any, served: ServedSite, **how: Any) -> BrowserContext:
    """A window of the site's owner. how: as of Playwright's `new_context`."""
    size = how.pop("viewport", {"width": 1280, "height": 900})
    context: BrowserContext = await browser.new_context(ignore_https_errors=True, viewport=size, **how)
    context.set_default_timeout(BUSY)
    value = await served.site.sessions.begin(served.site.owner)
    await context.add_cookies(
        [
            {
                "name": NAME,
                "value": value.reveal().decode(),
                "url": served.url,
                "secure": True,
                "httpOnly": True,
                "sameSite": "Lax",
            }
        ]
    )
    return context


async def press_in_a_row(page: Page, keys: str, url: str) -> None:
    """Press keys that mean something together and lead there; again where a busy host took so long between
    them that each was one of its own."""
    for _ in range(10):
        for key in keys:
            await page.keyboard.press(key)
        with suppress(TooLate):
            await page.wait_for_url(url, timeout=5000)
            return
    raise AssertionError(f"{keys} does not lead to {url}")


def keep_screenshots() -> Path | None:
    """Where the test run keeps them, if it does."""
    where = os.environ.get("SEALOCK_SCREENSHOTS")
    return Path(where) if where else None


async def screenshot(page: Page, name: str) -> None:
    """Kept if the run keeps them."""
    if where := keep_screenshots():
        where.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=where / f"{name}.png")


def ordinary_output(lines: int) -> bytes:
    """What a test program prints, with colours."""
    return b"".join(
        b"\x1b[32mPASSED\x1b[0m tests/test_%d.py::test_\x1b[1mcase\x1b[0m [%d%%]\n"
        % (line, 100 * line // lines)
        for line in range(lines)
    )


FAILURE = (
    b"::group::Versions\npython 3.13\n\x1b[38;5;208mpytest\x1b[0m 9.2\n::endgroup::\n"
    b"tests/test_shop.py:12: in test_pay\n    assert total == 2\n"
    b"\x1b[1m\x1b[31mE       assert 1 == 2\x1b[0m\n"
    b"\x1b[31;1mFAILED\x1b[0m tests/test_shop.py::test_pay - assert 1 == 2\n"
    b"\x1b[7mreversed\x1b[0m \x1b[44;37m blue \x1b[0m \x1b[2mdim\x1b[0m <script>alert(1)</script>"
    b" \xe2\x80\xae\n"
    b"::error file=tests/test_shop.py,line=12::assert 1 == 2\n"
    b"\x1b[31m===== 1 failed in 3.2s =====\x1b[0m\n"
)


def fail_with(served: ServedSite, lines: int) -> int:
    """Give the site's red build a log of that many lines and its failure; where it opens."""
    site, shelf = served.site, served.site.shelf
    assert isinstance(shelf, SealedShelf)
    begun = time.time() - 100
    writer = shelf.begin(site.project.id, run_id(site.red, 1))
    for name in ("machine", "fetch"):
        write_phase(writer, name, [], begun)
    write_phase(writer, "setup", [("pip install -e .[test]", b"Collecting pytest\n" * 40, 0)], begun)
    commands = [("ls", b"setup.py\nsrc\n", 0), ("pytest -q", ordinary_output(lines) + FAILURE, 1)]
    write_phase(writer, "test:unit", commands, begun)
    writer.close()
    for build, seconds in ((site.green, 30.0), (site.red, 62.0)):
        site.alter(
            build,
            created_at=begun - 4,
            started_at=begun,
            ended_at=begun + 12 + seconds,
            phases=timing(begun, seconds, is_good=build == site.green).phases,
            steps=timing(begun, seconds, is_good=build == site.green).steps,
            worker="builder-1",
            message="Count what was paid\n\nThe sum was wrong where a line had no price.",
        )
    return 42 + lines + 7


def timing(begun: float, seconds: float, *, is_good: bool) -> Progress:
    """Phases and steps of a build whose tests took so long."""
    phases = (
        PhaseView("machine", begun, begun + 0.9, ok=True, detail="clone of base in 0.9 s"),
        PhaseView("fetch", begun + 0.9, begun + 3, ok=True),
        PhaseView("setup", begun + 3, begun + 12, ok=True),
        PhaseView("test:unit", begun + 12, begun + 12 + seconds, ok=is_good),
    )
    state = StepState.PASSED if is_good else StepState.FAILED
    steps = (
        StepView(1, "setup", "setup", StepState.PASSED, 0, "", begun + 3, begun + 12, 1),
        StepView(2, "unit", "test", state, 0 if is_good else 1, "", begun + 12, begun + 12 + seconds, 41),
    )
    return Progress(phases, steps)
