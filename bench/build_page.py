"""A build's page in a real browser: a log of 100,000 lines opened, gone through and searched; one read live
by a hundred readers. Against a served site whose log is sealed as the server's are."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2

from bench.rows import Row, row
from sealock.core.builds import run_id
from sealock.core.log import LogWriter
from sealock.web.cookies import NAME
from tests.support.browser import CHROMIUM, chromium, fail_with, signed_in
from tests.support.fake_log import SealedShelf
from tests.support.site import ServedSite, serve_site

LINES = 100_000
RUNS = 5
READERS = 100
TOLD = 20
"""Lines that are told to all readers, one after the other."""

FAILING = ".log.is-open .l.failing:not(.waiting)"
LAST = """() => [...document.querySelectorAll(".log-box .l:not(.waiting) .x")]
.some((row) => row.textContent.includes("1 failed in 3.2s"))"""
FOUND = """() => document.querySelector(".log-search output").textContent.startsWith("1 of")"""


def measure(_: list[Row]) -> list[Row]:
    """Seconds a person waits; nothing where there is no browser."""
    if shutil.which(CHROMIUM) is None:
        print("no Chromium: the build's page is left out")
        return []
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="sealock-bench-") as directory:
        return asyncio.run(_measure(Path(directory)))


async def _measure(directory: Path) -> list[Row]:
    async with SealedShelf(directory / "logs") as shelf, serve_site(directory, shelf=shelf) as served:
        fail_with(served, LINES)
        async with chromium() as browser:
            found = [await _look(browser, served) for _ in range(RUNS)]
        live = await _live(served, shelf)
    opened, ended, searched, nodes = zip(*found, strict=True)
    return [
        row("build_page_opens_at_failure_100000_lines", "s", opened),
        row("build_page_jump_to_end", "s", ended),
        row("build_page_search", "s", searched),
        row("build_page_nodes", "elements", nodes),
        row("live_line_to_100_readers", "s", live),
    ]


async def _look(browser: Any, served: ServedSite) -> tuple[float, float, float, float]:
    """Of a window that has nothing of it yet."""
    context = await signed_in(browser, served)
    page = await context.new_page()

    async def seconds(work: Awaitable[object], until: str) -> float:
        started = time.perf_counter()
        await work
        async with asyncio.timeout(20):
            while not await page.evaluate(until):  # noqa: ASYNC110  a browser has no event for this
                await asyncio.sleep(0.005)
        return time.perf_counter() - started

    where = f"{served.url}/builds/{served.site.red}"
    started = time.perf_counter()
    await page.goto(where, wait_until="commit")
    await page.wait_for_selector(FAILING)
    opened = time.perf_counter() - started
    await page.get_by_role("button", name="Start", exact=True).click()
    await page.wait_for_timeout(300)
    ended = await seconds(page.get_by_role("button", name="End", exact=True).click(), LAST)
    await page.get_by_role("button", name="Search").click()
    await page.locator("#log-find").fill("test_77777")
    searched = await seconds(page.keyboard.press("Enter"), FOUND)
    nodes = await page.evaluate("document.querySelectorAll('*').length")
    await context.close()
    return opened, ended, searched, float(nodes)


async def _live(served: ServedSite, shelf: SealedShelf) -> list[float]:
    """Seconds from a line's being kept until the last of all readers has it, over TLS."""
    site = served.site
    site.ports.streams._most = 2 * READERS
    run = run_id(site.running, 1)
    writer = shelf.begin(site.project.id, run)
    value = (await site.sessions.begin(site.owner)).reveal().decode()
    readers = [_Reader() for _ in range(READERS)]
    url = f"{served.url}/builds/{site.running}/log/live?attempt=1"
    limits = httpx2.Limits(max_connections=READERS)
    async with httpx2.AsyncClient(verify=str(served.authority), limits=limits, timeout=60) as client:
        client.cookies.set(NAME, value)
        reading = [asyncio.create_task(reader.read(client, url)) for reader in readers]
        await _until(lambda: all(reader.is_open for reader in readers))
        found = [await _tell(shelf, run, writer, number, readers) for number in range(1, TOLD + 1)]
        writer.close()
        await shelf.tell(run)
        await asyncio.gather(*reading)
    return found


async def _tell(
    shelf: SealedShelf, run: str, writer: LogWriter, number: int, readers: list[_Reader]
) -> float:
    started = time.perf_counter()
    writer.write(b"line %d\n" % number)
    writer.flush()
    await shelf.tell(run)
    await _until(lambda: all(reader.last >= number for reader in readers))
    return time.perf_counter() - started


class _Reader:
    """Somebody who follows. last: the last line they have."""

    def __init__(self) -> None:
        self.is_open, self.last = False, 0

    async def read(self, client: httpx2.AsyncClient, url: str) -> None:
        async with client.stream("GET", url) as answer:
            answer.raise_for_status()
            self.is_open = True
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    self.last = int(line[4:].partition(".")[0])


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  there are a hundred of them to look at
            await asyncio.sleep(0.002)
