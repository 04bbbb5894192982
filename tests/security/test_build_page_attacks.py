"""Everything a build brings is a stranger's: what it prints, its branch, its message, its steps' names.

What is attacked is the page: that none of it becomes markup, an attribute, a script, a header or an event of
ours, hides what is there, or makes the page too big to be read.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealock.core.build_state import StepState
from sealock.core.builds import PhaseView, StepView, run_id
from sealock.core.queue import Obstacle, Reason, Waiting
from sealock.web.pages import build_live, build_words
from sealock.web.pages.build import Opening
from sealock.web.pages.frame import ENVIRONMENT
from sealock.web.pages.waterfall import waterfall
from tests.support.build_views import RED as BUILD
from tests.support.fake_log import SealedShelf, write_phase
from tests.support.site import Site, make_site
from tests.support.site_stream import served

pytestmark = pytest.mark.anyio

ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title><script>alert(1)</script>",
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)",
    "\x1b]0;title\x07\x1b[2J",
    "\u202egnp.exe\u2066",
    "a\r\nSet-Cookie: x=1\r\n\r\n<p>",
    "\x00\ud800",
    "--></style></svg><script>alert(1)</script>",
]
ELEMENTS = """a bdi body button circle code col colgroup dd details dialog div dl dt footer form h1 h2 head
header html input kbd label li link main meta nav option output p path rect script section
select span strong summary svg table tbody td tfoot th thead time title tr ul"""


class Page(HTMLParser):
    """What a browser would see: elements, attributes, and the text outside of scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def check(html: str) -> Page:
    """Nothing in it is a program, and every element is one of our own."""
    page = Page(html)
    assert {tag for tag, _ in page.elements} <= set(ELEMENTS.split())
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], attributes
        if tag == "script":
            assert str(attributes.get("src", "")).startswith("/static/"), "no program in the page itself"
        for name in ("href", "src", "action"):
            target = str(attributes.get(name) or "")
            assert not re.match(r"\s*(javascript|data|vbscript):", target, re.IGNORECASE)
    return page


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with SealedShelf(tmp_path / "logs") as shelf, make_site(tmp_path, shelf=shelf) as made:
        yield made


@pytest.fixture
async def browser(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with site.browser() as made:
        yield made


def spoiling(text: str) -> dict[str, Any]:
    """All that a stranger may have written about a build."""
    step = StepView(1, text, "test", StepState.FAILED, 1, text, 1.0, 2.0, 1)
    phase = PhaseView(f"test:{text}", 1.0, 2.0, ok=False, detail=text)
    return {
        "branch": text, "ref": text, "message": text, "author": text, "reason": text, "worker": text,
        "project_name": text, "pipelines": (text,), "steps": (step,), "phases": (phase,), "commit": text,
    }  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
async def test_what_is_said_of_a_build_is_text(site: Site, browser: httpx2.AsyncClient, attack: str) -> None:
    for build in (site.red, site.running, site.queued):
        site.alter(build, **spoiling(attack))
        for path in ("", "/part/head", "/part/steps", "/log"):
            answer = await browser.get(f"/builds/{build}{path}")
            assert answer.status_code == 200, path
            check(answer.text)
            assert "set-cookie" not in answer.headers and "49" not in re.findall(r">(\d\d)<", answer.text)


@given(text=st.text(min_size=1, max_size=200).filter(str.strip))
@settings(deadline=None)
def test_any_text_stays_text(text: str) -> None:
    """As many elements as with ordinary words of the same lengths and lines."""
    ordinary = re.sub(r"\S", "x", text)
    assert len(check(rendered(text)).elements) == len(Page(rendered(ordinary)).elements)


def rendered(text: str) -> str:
    """What changes of the page, without a server."""
    build = replace(BUILD, **spoiling(text))
    shown = {
        "build": build, "now": 2.0, "green": None, "waterfall": waterfall(build, None, 2.0),
        "words": build_words, "because": build_words.because(build, text), "elapsed": 1.0,
        "open_step": build.steps[0], "seen": "", "may_cancel": True, "may_restart": True,
        "may_read_log": True, "has_receipt": True, "kept_until": 2.0, "log": Opening(1, 9, 3, text),
    }  # fmt: skip
    parts = (
        ENVIRONMENT.get_template(f"build/{part}.html").render(shown) for part in ("head", "steps", "about")
    )
    return "".join(parts)


@pytest.mark.parametrize("attack", ATTACKS)
async def test_what_a_build_prints_is_text_wherever_it_is_shown(
    site: Site, browser: httpx2.AsyncClient, attack: str
) -> None:
    data = attack.encode(errors="surrogatepass").replace(b"\n", b" ") + b"\n::group::" + b"x" + b"\n"
    data += b"::error file=a.py::" + attack.encode(errors="surrogatepass").replace(b"\n", b" ") + b"\n"
    assert isinstance(site.shelf, SealedShelf)
    writer = site.shelf.begin(site.project.id, run_id(site.red, 1))
    write_phase(writer, "test:unit", [(attack.encode(errors="replace").decode(), data, 1)], time.time())
    writer.close()
    for path in ("", "/log", "/log/page/1"):
        check((await browser.get(f"/builds/{site.red}{path}")).text)
    stream = (await browser.get(f"/builds/{site.red}/log/live")).text
    for block in stream.split("\n\n"):
        for told in re.findall(r"^data: (.*)$", block, re.MULTILINE):
            check(json.loads(told).get("rows", ""))
    found = (await browser.get(f"/builds/{site.red}/log/search", params={"q": "a"})).json()
    for hit in found["hits"]:
        check(hit["html"])


async def test_output_cannot_write_an_event_of_its_own(site: Site, browser: httpx2.AsyncClient) -> None:
    """An event's data is JSON on one line, whatever ends of line a log can hold."""
    forged = "x\r\r\nid: 999\revent: end\rdata: {}\r\u2028event: end\u2029\x0b\x0cevent: gone"
    site.log(site.red).lines[:] = [forged, "second"]
    text = (await browser.get(f"/builds/{site.red}/log/live")).text
    events = re.findall(r"^event: (.*)$", re.sub(r"\r\n?", "\n", text), re.MULTILINE)
    assert events == ["lines", "end"]
    assert re.findall(r"^id: (.*)$", re.sub(r"\r\n?", "\n", text), re.MULTILINE) == ["2"]


@pytest.mark.parametrize("last", ["1\r\nX: y", "\x00", "9" * 400, "1;2", "../1", "<b>"])
async def test_an_id_to_come_back_with_is_no_way_in(
    site: Site, browser: httpx2.AsyncClient, last: str
) -> None:
    answer = await browser.get(f"/builds/{site.red}/log/live", params={"last": last})
    assert answer.status_code in (200, 422)
    assert answer.status_code == 422 or "event: gone" in answer.text
    assert "x" not in answer.headers


async def test_a_branch_of_4_kilobytes_and_all_the_rest_is_a_page_of_a_bounded_size(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    site.alter(site.red, **spoiling("b" * 4096))
    site.alter(site.red, message="m" * 1_000_000)
    answer = await browser.get(f"/builds/{site.red}")
    assert answer.status_code == 200 and len(answer.content) < 120_000


async def test_reasons_for_waiting_are_text(
    site: Site, browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def why(build: str) -> Waiting:
        return Waiting(1, 1, (Reason(Obstacle.NO_WORKER, ATTACKS[0]),))

    monkeypatch.setattr(site.queue, "why", why)
    page = check((await browser.get(f"/builds/{site.queued}")).text)
    assert ATTACKS[0] in page.text


@pytest.mark.parametrize(
    "build", ["%2e%2e%2f", "0" * 31, "0" * 33, "A" * 32, "1' OR '1'='1", "x" * 5000, "%00" * 16]
)
async def test_what_is_no_id_is_not_found(site: Site, browser: httpx2.AsyncClient, build: str) -> None:
    for path in ("", "/log", "/log/page/1", "/live", "/log/live"):
        assert (await browser.get(f"/builds/{build}{path}")).status_code == 404


async def test_numbers_from_outside_are_held_to_what_they_can_be(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    for path in (
        "log?page=0", "log?page=-1", "log?page=99999999999999999999", "log?attempt=-1", "log?attempt=99",
        "log/page/1?attempt=99999999999999999999", "log/search?q=a&first=0", "log/search?q=a&first=1e9",
        "log/live?first=0", "log/live?first=-5", "log?page=NaN",
    ):  # fmt: skip
        assert (await browser.get(f"/builds/{site.red}/{path}")).status_code in (400, 404, 422), path


async def test_a_log_that_was_altered_is_not_shown(site: Site, browser: httpx2.AsyncClient) -> None:
    assert isinstance(site.shelf, SealedShelf)
    run = run_id(site.red, 1)
    writer = site.shelf.begin(site.project.id, run)
    write_phase(writer, "test:unit", [("make", b"secret words\n" * 100, 1)], time.time())
    writer.close()
    place = site.shelf.kept.files.place(run)
    data = bytearray(place.read_bytes())
    data[len(data) // 2] ^= 1
    place.chmod(0o600)
    place.write_bytes(bytes(data))
    for path in ("", "/log", "/log/page/1", "/log/raw", "/log/live", "/log/search?q=secret", "/log/outline"):
        answer = await browser.get(f"/builds/{site.red}{path}")
        assert "secret words" not in answer.text, path


async def test_a_signed_out_reader_is_not_told_another_line(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_live, "KEEP_ALIVE", 0.05)
    async with site.browser() as browser:
        source = served(site, browser, f"/builds/{site.running}/log/live", "")
        await anext(source)
        (session,) = await site.sessions.all_of(site.owner)
        await site.sessions.revoke(site.owner, session.id)
        rest = b"".join([piece async for piece in source])
    site.log(site.running).add("said after that")
    assert b"said after that" not in rest
