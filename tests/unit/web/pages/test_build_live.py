"""Events of a build as they come: no line lost or told twice, wherever the connection drops."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealock.core.build import Outcome
from sealock.core.builds import run_id
from sealock.core.sealed import LOCAL_ACCOUNT
from sealock.web import event_stream
from sealock.web.pages import build_live
from tests.support.fake_log import SealedShelf
from tests.support.site import Site, make_site, progress
from tests.support.site_stream import served

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with SealedShelf(tmp_path / "logs") as shelf, make_site(tmp_path, shelf=shelf) as made:
        yield made


class Reading:
    """A stream that is read like a browser reads it: event by event. last_id: of the last whole event."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, object]] = []
        self.last_id = ""
        self.comments = 0

    def take(self, text: str) -> None:
        for block in text.split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
            self.comments += block.startswith(":")
            self.last_id = fields.get("id", self.last_id)
            if "event" in fields:
                self.events.append((fields["event"], self.last_id, json.loads(fields["data"])))

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.events]

    def lines(self) -> list[tuple[int, str]]:
        found = []
        for name, _, data in self.events:
            if name == "lines":
                assert isinstance(data, dict)
                for number, text in re.findall(
                    r'data-n="(\d+)".*?<span class="x">(.*?)</span></div>', data["rows"]
                ):
                    found.append((int(number), text))
        return found


async def read(browser: httpx2.AsyncClient, path: str, last_id: str = "") -> Reading:
    """A stream to its end."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    answer = await browser.get(path, headers=headers)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
    reading = Reading()
    reading.take(answer.text)
    return reading


async def test_the_lines_of_an_ended_build_come_and_the_stream_ends(site: Site) -> None:
    async with site.browser() as browser:
        found = await read(browser, f"/builds/{site.red}/log/live")
    assert [text for _, text in found.lines()][2] == "FAILED tests/test_shop.py"
    assert found.names[-1] == "end"


async def test_whoever_comes_back_is_told_what_came_behind(site: Site) -> None:
    async with site.browser() as browser:
        found = await read(browser, f"/builds/{site.red}/log/live", last_id="2")
        also = await read(browser, f"/builds/{site.red}/log/live?last=2")
        first = await read(browser, f"/builds/{site.red}/log/live?first=4")
    assert [number for number, _ in found.lines()] == [3, 4]
    assert found.lines() == also.lines()
    assert [number for number, _ in first.lines()] == [4]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 12), min_size=1, max_size=12), st.lists(st.integers(0, 3000), max_size=12))
def test_wherever_the_connection_drops_each_line_is_told_once(pieces: list[int], drops: list[int]) -> None:
    """pieces: how many lines come at once. drops: after how many characters of a stream it breaks off. What
    came of an event that was cut does not count, as in a browser."""

    async def told() -> AsyncIterator[str]:
        number = 0
        for size in pieces:
            rows = "".join(f"<{line}>" for line in range(number + 1, number + size + 1))
            number += size
            yield event_stream.event("lines", {"rows": rows}, identity=str(number)).decode()

    async def follow() -> list[int]:
        seen: list[int] = []
        last = 0
        for drop in [*drops, 10**9]:
            text = ""
            async for event in told():
                identity = int(re.findall(r"^id: (\d+)$", event, re.MULTILINE)[0])
                if identity > last:
                    text += event
            reading = Reading()
            reading.take(text[:drop])
            for name, _, data in reading.events:
                assert name == "lines" and isinstance(data, dict)
                seen += [int(line) for line in re.findall(r"<(\d+)>", data["rows"])]
            last = int(reading.last_id or last)
        return seen

    assert asyncio.run(follow()) == list(range(1, sum(pieces) + 1))


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_log_that_is_written_while_it_is_followed_comes_whole(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Over the whole application: the reader goes away after some events again and again."""
    pieces = data.draw(
        st.lists(st.sampled_from([b"one\n", b"two\nthree\n", b"par", b"tial\n", b"\n"]), max_size=10)
    )
    after = data.draw(st.lists(st.integers(1, 3), max_size=6))

    async def follow() -> None:
        directory = tmp_path_factory.mktemp("site")
        async with (
            SealedShelf(directory / "logs") as shelf,
            make_site(directory, shelf=shelf) as site,
            site.browser() as browser,
        ):
            shown: dict[int, str] = {}
            writing = asyncio.create_task(write(site, shelf, pieces))
            last = ""
            for most in [*after, 10**9]:
                last = await follow_some(site, browser, last, most, shown)
            await writing
            text = b"".join(pieces)
            lines = text.decode().split("\n")
            lines = lines[:-1] if lines[-1] == "" else lines
            assert shown == dict(enumerate(lines, 1))

    asyncio.run(follow())


async def write(site: Site, shelf: SealedShelf, pieces: list[bytes]) -> None:
    run = run_id(site.running, 1)
    writer = shelf.begin(site.project.id, run)
    for piece in pieces:
        writer.write(piece)
        writer.flush()
        await shelf.tell(run)
        await asyncio.sleep(0.005)
    writer.close()
    await shelf.tell(run)


async def follow_some(
    site: Site, browser: httpx2.AsyncClient, last: str, most: int, shown: dict[int, str]
) -> str:
    """Reads at most so many events, puts each line in its place, and goes away; the last id."""
    source = served(site, browser, f"/builds/{site.running}/log/live", last)
    count = 0
    try:
        async for piece in source:
            reading = Reading()
            reading.take(piece.decode())
            for name, identity, _ in reading.events:
                last = identity or last
                count += name == "lines"
            for number, text in reading.lines():
                again = number in shown and shown[number] != text
                assert number == len(shown) + 1 or (again and number == len(shown)), "in order, nothing twice"
                shown[number] = text
            if count >= most:
                break
    finally:
        await source.aclose()
    return last


async def events_until(source: AsyncIterator[bytes], name: str) -> Reading:
    reading = Reading()
    async with asyncio.timeout(60):
        async for piece in source:
            reading.take(piece.decode())
            if name in reading.names:
                break
    return reading


async def test_a_change_of_the_build_is_told_and_its_end_ends_the_stream(site: Site) -> None:
    async with site.browser() as browser:
        page = (await browser.get(f"/builds/{site.running}")).text
        seen = re.findall(r"seen=([0-9a-f]{32})", page)[0]
        source = served(site, browser, f"/builds/{site.running}/live?seen={seen}", "")
        assert b"retry" in await anext(source)
        view = await site.view(site.running)
        await site.worker_says(site.running, progress(Outcome.RED))
        first = await events_until(source, "state")
        await site.finish(site.running, Outcome.RED)
        rest = await events_until(source, "end")
    assert first.events[0][2] == {"status": "running", "number": view.number}
    assert rest.names[-1] == "end" and rest.events[-2][2] == {"status": "red", "number": view.number}


async def test_what_the_page_shows_already_is_not_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_live, "KEEP_ALIVE", 0.05)
    async with site.browser() as browser:
        page = (await browser.get(f"/builds/{site.queued}")).text
        seen = re.findall(r"seen=([0-9a-f]{32})", page)[0]
        told = served(site, browser, f"/builds/{site.queued}/live?seen={seen}", "")
        first = await anext(told) + await anext(told)
        assert b"event" not in first
        await told.aclose()


async def test_silence_is_filled_with_comments(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_live, "KEEP_ALIVE", 0.05)
    async with site.browser() as browser:
        source = served(site, browser, f"/builds/{site.running}/log/live", "")
        text = b"".join([await anext(source) for _ in range(6)])
        await source.aclose()
    assert b"\n: still here\n\n" in text


async def test_a_log_that_is_removed_meanwhile_says_so_and_ends(site: Site) -> None:
    run = run_id(site.running, 1)
    assert isinstance(site.shelf, SealedShelf)
    site.shelf.begin(site.project.id, run).flush()
    async with site.browser() as browser:
        source = served(site, browser, f"/builds/{site.running}/log/live", "")
        await anext(source)
        await site.shelf.remove(LOCAL_ACCOUNT, site.project.id, run, person=site.owner.id)
        found = await events_until(source, "gone")
    assert found.names == ["gone"]


async def test_an_id_that_cannot_be_is_told_so(site: Site) -> None:
    """A browser that had another log on its page loads it again."""
    async with site.browser() as browser:
        for last in ("999", "x", "1.2.3", "-1"):
            reading = Reading()
            reading.take((await browser.get(f"/builds/{site.red}/log/live?last={last}")).text)
            assert reading.names == ["gone"]


async def test_a_build_that_never_began_has_no_lines(site: Site) -> None:
    async with site.browser() as browser:
        assert (await browser.get(f"/builds/{site.queued}/log/live")).status_code == 404


async def test_a_new_attempt_has_lines_of_its_own(site: Site) -> None:
    """By its number an attempt's log is the same for ever; one that never was is not found."""
    async with site.browser() as browser:
        assert (await browser.get(f"/builds/{site.red}/log/live?attempt=2")).status_code == 404
        assert (await browser.get(f"/builds/{site.red}/log/live?attempt=1")).status_code == 200


async def test_nobody_holds_more_streams_than_they_may(site: Site) -> None:
    streams = site.ports.streams
    streams._most = 3
    async with site.browser() as browser:
        held = [served(site, browser, f"/builds/{site.running}/log/live", "") for _ in range(3)]
        for each in held:
            await anext(each)
        async with asyncio.timeout(60):
            assert (await browser.get(f"/builds/{site.running}/live")).status_code == 429
        await held.pop().aclose()
        again = served(site, browser, f"/builds/{site.running}/log/live", "")
        await anext(again)
        for each in [*held, again]:
            await each.aclose()
    assert not streams._held


async def test_a_reader_that_goes_away_leaves_no_log_open(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """In the middle of waiting, of lines, and before the first."""
    assert isinstance(site.shelf, SealedShelf)
    run = run_id(site.running, 1)
    writer = site.shelf.begin(site.project.id, run)
    writer.write(b"one\n" * 2000)
    writer.flush()
    async with site.browser() as browser:
        for pieces in (1, 2, 5, 9):
            for path in ("log/live", "live"):
                source = served(site, browser, f"/builds/{site.running}/{path}", "")
                async with asyncio.timeout(60):
                    for _ in range(pieces if path == "log/live" else 1):
                        await anext(source)
                    await asyncio.sleep(0.02)
                    await source.aclose()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert all(each.users == 0 for each in site.shelf.shelf.readers._all)
    assert not site.ports.streams._held


async def test_streams_end_with_the_website(site: Site) -> None:
    async with site.browser() as browser:
        source = served(site, browser, f"/builds/{site.running}/log/live", "")
        await anext(source)
        site.ports.streams.end()
        rest = b"".join([piece async for piece in source])
    assert b"event: end" not in rest, "the reader is to come back"


@pytest.mark.parametrize("path", ["live", "log/live"])
async def test_the_end_of_the_session_ends_its_streams(
    site: Site, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(build_live, "KEEP_ALIVE", 0.05)
    async with site.browser() as browser:
        source = served(site, browser, f"/builds/{site.running}/{path}", "")
        await anext(source)
        (session,) = await site.sessions.all_of(site.owner)
        assert await site.sessions.revoke(site.owner, session.id)
        async with asyncio.timeout(60):
            rest = b"".join([piece async for piece in source])
    assert b"event: end" not in rest


async def test_a_stream_of_a_build_that_ends_while_nobody_closes_its_log_ends(site: Site) -> None:
    """Its worker was killed: the log has no end of its own."""
    assert isinstance(site.shelf, SealedShelf)
    site.shelf.begin(site.project.id, run_id(site.running, 1)).flush()
    async with site.browser() as browser:
        source = served(site, browser, f"/builds/{site.running}/log/live", "")
        await anext(source)
        await site.finish(site.running, Outcome.MACHINE_LOST)
        assert (await events_until(source, "end")).names == ["end"]
