"""A served site whose logs are sealed, and a browser in which its owner reads builds.

async with build_desk(directory, lines=3000) as desk:
    page = await desk.red()                     # the page of a build that failed, its log open
    live = await begin_live(desk)               # the log of one that runs
    await live.print(5)
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Page, expect
from playwright.async_api import TimeoutError as TooLate

from sealock.core.builds import run_id
from sealock.core.log import LogWriter
from tests.support.browser import chromium, fail_with, signed_in
from tests.support.fake_log import SealedShelf
from tests.support.site import ServedSite, serve_site


@dataclass
class Desk:
    """A served site, a browser, a window that is signed in, and whatever its pages complained of."""

    served: ServedSite
    browser: Any
    context: BrowserContext
    failing: int
    complaints: list[str]

    async def open(self, path: str, context: BrowserContext | None = None) -> Page:
        page = await (context or self.context).new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda told: self.complaints.append(told.text) if told.type == "error" else None)
        await page.goto(f"{self.served.url}{path}")
        return page

    async def red(self, fragment: str = "", context: BrowserContext | None = None) -> Page:
        page = await self.open(f"/builds/{self.served.site.red}{fragment}", context)
        await page.wait_for_selector(".log.is-open .l:not(.waiting)")
        return page


@asynccontextmanager
async def build_desk(directory: Path, lines: int) -> AsyncIterator[Desk]:
    """With a red build whose log is so many lines and its failure. No page may complain."""
    async with (
        SealedShelf(directory / "logs") as shelf,
        serve_site(directory, shelf=shelf) as served,
        chromium() as browser,
    ):
        failing = fail_with(served, lines)
        context = await signed_in(browser, served)
        made = Desk(served, browser, context, failing, [])
        yield made
        await context.close()
        assert not made.complaints


def line(page: Page, number: int) -> Any:
    """That line of the log, once it is there."""
    return page.locator(f'.log-box .l[data-n="{number}"]:not(.waiting)')


async def in_window(page: Page, number: int) -> bool:
    """Whether that line comes to be seen: within the box, and within the window."""
    try:
        await page.wait_for_function(
            """(number) => {
              const row = document.querySelector(`.log-box .l[data-n="${number}"]`);
              if (!row) return false;
              const here = row.getBoundingClientRect(), box = row.closest(".log-box").getBoundingClientRect();
              return here.top >= box.top - 1 && here.bottom <= box.bottom + 1 && here.top >= 0
                && here.bottom <= innerHeight;
            }""",
            arg=number,
        )
    except TooLate:
        return False
    return True


@dataclass
class Live:
    """The running build, whose log is being written."""

    desk: Desk
    writer: LogWriter
    written: int = 0

    async def print(self, lines: int) -> None:
        for _ in range(lines):
            self.written += 1
            self.writer.write(b"live %d\n" % self.written)
        self.writer.flush()
        await self.tell()

    async def tell(self) -> None:
        """Wake who follows it."""
        shelf = self.desk.served.site.shelf
        assert isinstance(shelf, SealedShelf)
        await shelf.tell(run_id(self.desk.served.site.running, 1))

    async def shown(self, page: Page) -> list[str]:
        """What stands in the log from its beginning to its end, gone through from above."""
        found: dict[int, str] = {}
        await page.evaluate("document.querySelector('.log-box').scrollTop = 0")
        for _ in range(200):
            rows = await page.locator(".log-box .l:not(.waiting)").evaluate_all(
                "(rows) => rows.map((row) => [Number(row.dataset.n), row.querySelector('.x').textContent])"
            )
            found.update({number: text for number, text in rows})
            more = await page.evaluate(
                """() => { const box = document.querySelector(".log-box"), before = box.scrollTop;
                box.scrollTop += box.clientHeight; return box.scrollTop > before; }"""
            )
            await page.wait_for_timeout(30)  # for it to notice that it was scrolled
            await expect(page.locator(".log-box .l.waiting")).to_have_count(0)
            if not more and len(found) >= self.written:
                break
        return [found[number] for number in sorted(found)]


async def begin_live(desk: Desk) -> Live:
    """The log of the site's running build, empty."""
    site = desk.served.site
    assert isinstance(site.shelf, SealedShelf)
    return Live(desk, site.shelf.begin(site.project.id, run_id(site.running, 1)))
