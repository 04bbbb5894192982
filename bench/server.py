"""From a push to its first line in a browser, the end of a build that is cancelled, and what pages weigh: of
`sealock up` with its own worker, real machines and a real browser."""

from __future__ import annotations

import asyncio
import gzip
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.rows import Row, row
from bench.whole_server import LONGEST, Project, WholeServer, whole_server
from tests.support.browser import CHROMIUM, chromium

RUNS = 3
LINE = "the first line"
QUICK = f"image: python\ntest:\n  unit:\n    - echo {LINE}\n"
TICKING = "image: python\ntest:\n  unit:\n    - for i in $(seq 6000); do echo tick $i; sleep 0.1; done\n"
RETRY = 1.0
"""Seconds after which a browser connects anew, as the website tells it to."""

SETTLING = 20.0
"""Seconds in which the next machine is made ready before the next push."""

SHOWS = """(text) => [...document.querySelectorAll(".log-box .l:not(.waiting) .x")]
.some((row) => row.textContent.trim() === text)"""
PARTS = ("answered", "claimed", "machine", "fetch", "plan", "line", "shown")


def measure(_: list[Row]) -> list[Row]:
    """Seconds and kilobytes; nothing where there is no browser."""
    if shutil.which(CHROMIUM) is None:
        print("no Chromium: the server is left out")
        return []
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="sealock-bench-") as directory:
        return asyncio.run(_measure(Path(directory)))


async def _measure(directory: Path) -> list[Row]:
    async with whole_server(directory) as server, chromium() as browser:
        quick = await asyncio.to_thread(server.add_project, "quick", QUICK)
        ticking = await asyncio.to_thread(server.add_project, "ticking", TICKING)
        context = await browser.new_context(ignore_https_errors=True)
        context.set_default_timeout(LONGEST * 1000)
        await context.add_cookies([server.cookie])
        pushed = [await _push(server, quick, context) for _ in range(RUNS)]
        cancelled = [await _cancel(server, ticking, context) for _ in range(RUNS)]
        sizes = await _sizes(server, quick, context)
    found = [row("push_to_line_in_browser", "s", [sum(run.values()) for run in pushed])]
    found += [row(f"push_{part}", "s", [run[part] for run in pushed]) for part in PARTS]
    resumed, visible, gone = zip(*cancelled, strict=True)
    found.append(row("stream_resumed", "s", resumed))
    found.append(row("cancel_visible", "s", visible))
    found.append(row("cancel_to_machine_gone", "s", gone))
    return [*found, *sizes]


async def _push(server: WholeServer, project: Project, context: Any) -> dict[str, float]:
    """Seconds each part took, one after the other; the build's page is opened as soon as there is one."""
    await asyncio.sleep(SETTLING)
    page = await context.new_page()
    told = time.time()
    await server.tell(project)
    answered = time.time()
    build = (await server.latest(project))["id"]
    await page.goto(f"{server.url}/builds/{build}", wait_until="commit")
    await page.wait_for_function(SHOWS, arg=LINE, polling=20)
    shown = time.time()
    found = await server.ended(build)
    assert found["status"] == "green", found
    lines = (await server.told(f"/api/v1/builds/{build}/log?first=1&last=50"))["items"]
    await page.close()
    phases = {phase["name"]: phase for phase in found["phases"]}
    line = next(each["at"] for each in lines if LINE in each["text"] and "echo" not in each["text"])
    machine, fetch = phases["machine"], phases["fetch"]
    moments = [told, answered, found["started_at"], machine["ended_at"], fetch["ended_at"]]
    moments += [phases["test:unit"]["started_at"], line, shown]
    return {part: later - before for part, before, later in zip(PARTS, moments, moments[1:], strict=False)}


async def _cancel(server: WholeServer, project: Project, context: Any) -> tuple[float, float, float]:
    """Of a build that prints ten lines a second: seconds until a broken stream goes on, until its page says
    that it is being cancelled, and until its machine's process is gone."""
    await asyncio.sleep(SETTLING)
    page = await context.new_page()
    await server.tell(project)
    build = (await server.latest(project))["id"]
    await page.goto(f"{server.url}/builds/{build}", wait_until="commit")
    await page.wait_for_function(SHOWS, arg="tick 5", polling=50)
    resumed = await _resume(server, build)
    running = server.machines()
    asked = time.perf_counter()
    await page.get_by_role("button", name="Cancel", exact=True).click(no_wait_after=True)
    showing = asyncio.create_task(_seconds_until(page, asked))
    async with asyncio.timeout(LONGEST):
        while running <= server.machines():  # noqa: ASYNC110  a process says nothing when it is gone
            await asyncio.sleep(0.02)
    gone = time.perf_counter() - asked
    visible = await showing
    await server.ended(build)
    await page.close()
    return resumed, visible, gone


async def _seconds_until(page: Any, asked: float) -> float:
    """Until the page says that the build is being cancelled, or was."""
    await page.wait_for_selector(".build-head.is-stopping, .build-head.is-cancelled")
    return time.perf_counter() - asked


async def _resume(server: WholeServer, build: str) -> float:
    """Seconds from a stream's breaking off to the next line behind it, with the browser's own pause."""
    where = f"/builds/{build}/log/live?attempt=1"
    last = await _next_id(server, where, {})
    broken = time.perf_counter()
    await asyncio.sleep(RETRY)
    await _next_id(server, where, {"Last-Event-ID": last})
    return time.perf_counter() - broken


async def _next_id(server: WholeServer, where: str, headers: dict[str, str]) -> str:
    async with server.client.stream("GET", where, headers=headers) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                return line[4:]
    raise RuntimeError("the stream ended without a line")


async def _sizes(server: WholeServer, project: Project, context: Any) -> list[Row]:
    """Kilobytes: the largest page but the log's, and the scripts of the page that has most of them."""
    build = (await server.latest(project))["id"]
    of_project = f"/projects/{project.id}"
    plain = ["/", of_project, f"{of_project}/settings", "/projects/new", "/workers", "/account"]
    html, scripts = [], []
    for path in [*plain, f"/builds/{build}/receipt", f"/builds/{build}"]:
        found: dict[str, Any] = {}
        page = await context.new_page()
        page.on("response", lambda answer, found=found: found.setdefault(answer.url, answer))
        await page.goto(f"{server.url}{path}")
        await page.wait_for_load_state("load")
        bodies = {url: await answer.body() for url, answer in list(found.items()) if _is_text(url, server)}
        html.append((len(bodies[f"{server.url}{path}"]) / 1000, path))
        loaded = sum(len(gzip.compress(body)) for url, body in bodies.items() if url.endswith(".js"))
        scripts.append((loaded / 1000, path))
        await page.close()
    print(f"largest page: {max(html)[1]}; most scripts: {max(scripts[:-1])[1]}")
    return [
        row("page_html", "kB", [max(html)[0]]),
        row("page_scripts_compressed", "kB", [max(scripts[:-1])[0]]),
        row("build_page_scripts_compressed", "kB", [scripts[-1][0]]),
    ]


def _is_text(url: str, server: WholeServer) -> bool:
    """What is whole once it is loaded; a stream never is."""
    return url.startswith(server.url) and not re.search(r"/live(\?|$)|\.(svg|css|png|ico)$", url)
