"""Logs by the API: ranges, search, text, and lines as they come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest

from sealock.core.lease import KeeperAway, Refused
from sealock.web.api import log_follow
from sealock.web.api.log_shapes import plain
from sealock.web.api.logs import prefers_text
from sealock.web.event_stream import with_pauses
from tests.support.site import Site

pytestmark = pytest.mark.anyio


async def test_who_follows_too_many_things_is_turned_away(site: Site, api: httpx2.AsyncClient) -> None:
    """By the API and by the pages: both hold the same places."""
    log = f"/builds/{site.red}/log"
    with ExitStack() as held:
        while held.enter_context(site.ports.streams.seat(site.owner.id)):
            pass
        async with site.browser() as browser:
            for answer in (await api.get(f"{log[1:]}/follow"), await browser.get(f"{log}/live")):
                assert answer.status_code == 429 and answer.headers["retry-after"]


async def test_a_range_of_lines(site: Site, api: httpx2.AsyncClient) -> None:
    site.log(site.red).lines = [f"line {number} <&>" for number in range(1, 1301)]
    told = (await api.get(f"builds/{site.red}/log?first=499&last=502")).json()
    assert [one["number"] for one in told["items"]] == [499, 500, 501, 502]
    assert told["items"][0]["text"] == "line 499 <&>" and "<&" not in told["items"][0]["html"]
    assert (told["next"], told["total_lines"]) == (503, 1300)
    whole = (await api.get(f"builds/{site.red}/log")).json()
    assert (len(whole["items"]), whole["next"]) == (1000, 1001)
    end = (await api.get(f"builds/{site.red}/log?first=1299&last=5000")).json()
    assert ([one["number"] for one in end["items"]], end["next"]) == ([1299, 1300], None)
    for nothing in ("first=2000", "first=10&last=9"):
        assert (await api.get(f"builds/{site.red}/log?{nothing}")).json()["items"] == []
    for wrong in ("first=0", "first=-1", "last=x", f"first={10**13}", "attempt=0"):
        assert (await api.get(f"builds/{site.red}/log?{wrong}")).status_code == 422, wrong


async def test_plain_text_for_who_wants_it(site: Site, api: httpx2.AsyncClient) -> None:
    answer = await api.get(f"builds/{site.red}/log?first=3&last=3", headers={"Accept": "text/plain"})
    assert answer.text == "FAILED tests/test_shop.py\n"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    raw = await api.get(f"builds/{site.red}/log/raw")
    assert raw.text.splitlines()[-1] == "1 failed" and raw.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("accept", "text"),
    [
        ("*/*", False),
        ("text/plain", True),
        ("text/*", True),
        ("application/json, text/plain;q=0.5", False),
        ("text/plain, */*;q=0.1", True),
        ("text/html,*/*;q=0.8", False),
        ("", False),
        ("text/plain;q=x", False),
    ],
)
def test_which_is_more_welcome(accept: str, text: bool) -> None:
    assert prefers_text(accept) is text


def test_the_text_of_a_line_is_what_was_printed() -> None:
    assert plain('<span class="red">a &lt;b&gt; &amp;amp; </span>c &quot;') == 'a <b> &amp; c "'


async def test_search_and_outline(site: Site, api: httpx2.AsyncClient) -> None:
    hits = (await api.get(f"builds/{site.red}/log/search?q=failed")).json()
    assert ([one["line"] for one in hits["items"]], hits["of"], hits["next"]) == ([3, 4], 2, None)
    assert (await api.get(f"builds/{site.red}/log/search?q=failed&ignore_case=false")).json()["of"] == 1
    outline = (await api.get(f"builds/{site.red}/log/outline")).json()
    assert outline["failing_line"] == 3 and outline["groups"][0]["kind"] == "phase"
    for wrong in ("search", "search?q=", "search?q=%0a", f"search?q={'x' * 1001}"):
        answer = await api.get(f"builds/{site.red}/log/{wrong}")
        assert answer.status_code == 422 and answer.json()["fields"][0]["field"] == "q", wrong


async def test_there_is_no_log_of_what_never_began_or_was_removed(
    site: Site, api: httpx2.AsyncClient
) -> None:
    for missing in (f"{site.queued}/log", f"{site.red}/log?attempt=2"):
        assert (await api.get(f"builds/{missing}")).status_code == 404
    assert (await api.delete(f"builds/{site.red}/log")).status_code == 204
    for path in ("log", "log/raw", "log/follow", "log/outline", "log/search?q=x"):
        assert (await api.get(f"builds/{site.red}/{path}")).status_code == 404
    assert (await api.delete(f"builds/{site.red}/log")).status_code == 404


async def test_each_reader_is_named_to_the_keeper(site: Site, api: httpx2.AsyncClient) -> None:
    await api.get(f"builds/{site.red}/log")
    assert site.shelf.opened[-1] == (site.red, site.owner.id)


async def test_what_the_keeper_refuses_is_told_without_a_reason(
    site: Site, api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, status in ((Refused("1f" * 8), 403), (KeeperAway("no answer on /run/keeper"), 503)):

        def refuse(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(site.shelf, "_find", refuse)
        answer = await api.get(f"builds/{site.red}/log/raw")
        assert answer.status_code == status and "/run/keeper" not in answer.text


class Events:
    """What a reader of the stream sees, event by event."""

    def __init__(self, site: Site, build: str, **headers: str) -> None:
        self._site, self._build, self._headers = site, build, headers
        self._coming: asyncio.Queue[bytes] = asyncio.Queue()
        self._rest = b""
        self.status = 0
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Events:
        self._begun = asyncio.Event()
        text = await self._site.token()
        self.task = asyncio.create_task(self._ask(f"Bearer {text}"))
        await asyncio.wait_for(self._begun.wait(), 60)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.wait([self.task])

    async def _ask(self, authorization: str) -> None:
        """As a server does it; the client for tests gives an answer out as a whole."""
        path = f"/api/v1/builds/{self._build}/log/follow"
        headers = {"host": "localhost:8443", "authorization": authorization} | self._headers
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("192.0.2.9", 1),
            "server": ("localhost", 8443),
            "scheme": "https",
            "http_version": "1.1",
        }
        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if asked:
                await asyncio.Event().wait()
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self._begun.set()
            else:
                await self._coming.put(message.get("body", b""))

        await self._site.app(scope, receive, send)
        await self._coming.put(b"")

    async def next(self) -> str:
        while b"\n\n" not in self._rest:
            self._rest += await asyncio.wait_for(self._coming.get(), 60)
        event, self._rest = self._rest.split(b"\n\n", 1)
        return event.decode()


def fields(event: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in event.split("\n"))


async def test_lines_come_as_they_come_and_then_the_end(site: Site) -> None:
    async with Events(site, site.running) as events:
        assert await events.next() == "retry: 2000"
        seen = [fields(await events.next()) for _ in range(4)]
        assert [one["id"] for one in seen] == ["1", "2", "3", "4"]
        site.log(site.running).add("two\nlines </script>\r\n\nid: 9")
        line = fields(await events.next())
        assert (line["event"], line["id"]) == ("line", "5")
        assert json.loads(line["data"])["text"] == "two\nlines </script>\r\n\nid: 9"
        await site.finish(site.running)
        site.log(site.running).add(complete=True)
        end = fields(await events.next())
        assert end["event"] == "end" and json.loads(end["data"])["status"] == "green"


async def test_who_comes_back_misses_nothing_and_sees_nothing_twice(site: Site) -> None:
    async with Events(site, site.red, **{"Last-Event-ID": "2"}) as events:
        await events.next()
        assert [fields(await events.next())["id"] for _ in range(2)] == ["3", "4"]
        assert fields(await events.next())["event"] == "end"


async def test_an_id_of_no_line_is_refused(site: Site, api: httpx2.AsyncClient) -> None:
    for wrong in ("x", "-1", "1.2.3", "", "1" * 20):
        answer = await api.get(f"builds/{site.red}/log/follow", headers={"Last-Event-ID": wrong})
        assert answer.status_code == 422
    async with Events(site, site.red, **{"Last-Event-ID": "99"}) as events:
        await events.next()
        assert fields(await events.next())["event"] == "refused"


async def test_silence_is_broken_and_a_revoked_token_reads_no_further(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack: a token is revoked while its stream is open."""
    monkeypatch.setattr(log_follow, "KEEP_ALIVE", 0.05)
    async with Events(site, site.running) as events:
        while await events.next() != ": still here":  # the lines there are may come after the first
            pass
        monkeypatch.setattr(log_follow, "LOOK_AGAIN", 0.0)
        while await events.next() != ": still here":
            pass
        (token,) = await site.tokens.all_of(site.owner)
        await site.tokens.revoke(site.owner, token.id)
        site.log(site.running).add("a secret plan")
        assert events.task is not None
        await asyncio.wait_for(events.task, 60)
        assert "secret plan" not in repr(events._coming) + repr(events._rest)


async def test_the_stream_ends_with_the_website_and_gives_its_seat_back(site: Site) -> None:
    async with Events(site, site.running) as events:
        await events.next()
        site.ports.streams.end()
        assert events.task is not None
        await asyncio.wait_for(events.task, 60)
    assert not site.ports.streams._held


async def test_nobody_follows_too_many(site: Site, api: httpx2.AsyncClient) -> None:
    site.ports.streams._most = 1
    async with Events(site, site.running):
        answer = await api.get(f"builds/{site.running}/log/follow")
        assert answer.status_code == 429 and answer.headers["retry-after"]


async def test_pauses_leave_the_source_at_its_place() -> None:
    closed = asyncio.Event()

    async def source() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(0.05)
            yield 2
        finally:
            closed.set()

    seen = [item async for item in with_pauses(source(), 0.01)]
    assert [item for item in seen if item] == [1, 2] and seen.count(None) >= 2 and closed.is_set()
