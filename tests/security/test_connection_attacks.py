"""Connections that are opened and not used: a stranger must not be able to take all there can be."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sealock.web.connections import TimedProtocol
from tests.support.website import Served, served

pytestmark = pytest.mark.anyio

SECONDS, MOST = 1.0, 5
END = b"\r\n\r\n"


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """A website with less patience than the real one."""
    monkeypatch.setattr(TimedProtocol, "head_seconds", SECONDS)
    monkeypatch.setattr(TimedProtocol, "most_of_one", MOST)
    async with served(tmp_path) as website:
        yield website


class Connection:
    """A stranger's, over TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader, self._writer, self._host = reader, writer, host

    def send(self, data: bytes) -> None:
        if not self._writer.transport.is_closing():
            self._writer.write(data)

    def ask(self, end: bytes = END) -> None:
        self.send(f"GET /health HTTP/1.1\r\nHost: {self._host}".encode() + end)

    async def head(self) -> bytes:
        """Of an answer; nothing if the connection is over."""
        try:
            async with asyncio.timeout(60):
                told = await self._reader.readuntil(END)
                await self._reader.readexactly(int(told.lower().partition(b"content-length: ")[2].split()[0]))
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        return told

    async def ends(self, within: float) -> bool:
        """Whether the other end closes it, without another word of ours."""
        try:
            async with asyncio.timeout(within):
                while await self._reader.read(4096):
                    pass
        except TimeoutError:
            return False
        except (ConnectionError, ssl.SSLError):
            return True
        return True

    def close(self) -> None:
        self._writer.transport.abort()


@contextlib.asynccontextmanager
async def connected(site: Served, plain: bool = False) -> AsyncIterator[Connection]:
    context = None if plain else ssl.create_default_context(cafile=site.authority)
    port = site.http if plain else site.https
    there = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=None if plain else "localhost"
    )
    made = Connection(*there, f"localhost:{site.https}")
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("plain", [False, True])
async def test_one_that_says_nothing_is_closed(site: Served, plain: bool) -> None:
    async with connected(site, plain) as silent:
        assert await silent.ends(within=30)


async def test_a_request_a_byte_at_a_time_is_closed_before_it_is_whole(site: Served) -> None:
    async with connected(site) as slow:
        slow.ask(end=b"\r\nX-Slow: ")
        ending = asyncio.create_task(slow.ends(within=30))
        while not ending.done():
            slow.send(b"a")
            await asyncio.sleep(SECONDS / 10)
        assert ending.result()


async def test_a_second_request_is_not_waited_for_any_longer(site: Served) -> None:
    async with connected(site) as slow:
        slow.ask()
        assert b"200 OK" in await slow.head()
        slow.ask(end=b"\r\nX-Slow: ")
        ending = asyncio.create_task(slow.ends(within=30))
        while not ending.done():
            slow.send(b"a")
            await asyncio.sleep(SECONDS / 10)
        assert ending.result()


async def test_a_body_that_goes_on_behind_a_refusal_is_not_read_for_ever(site: Served) -> None:
    async with connected(site) as slow:
        slow.send(b"POST /api/session HTTP/1.1\r\nHost: other.example\r\nContent-Length: 1000000" + END)
        assert b"421" in await slow.head()
        ending = asyncio.create_task(slow.ends(within=30))
        while not ending.done():
            slow.send(b"a")
            await asyncio.sleep(SECONDS / 10)
        assert ending.result()


async def test_a_request_that_is_answered_slowly_is_not_cut(site: Served) -> None:
    """The time is the head's alone: a body has its own, and an answer as long as it takes."""
    async with connected(site) as sending:
        body = b'{"email": "a@example.com", "password": "no"}'
        sending.send(
            f"POST /api/session HTTP/1.1\r\nHost: localhost:{site.https}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}".encode()
            + END
        )
        for place in range(0, len(body), 15):
            sending.send(body[place : place + 15])
            await asyncio.sleep(SECONDS)
        assert b"401" in await sending.head()


async def test_one_that_was_answered_is_kept_while_a_page_is_read(site: Served) -> None:
    """A browser sends its next request into a connection it has. One that ends at that moment loses it."""
    async with connected(site) as reading:
        reading.ask()
        assert b"200 OK" in await reading.head()
        assert not await reading.ends(within=7)
    async with connected(site) as reading:
        for _ in range(2):
            reading.ask()
            assert b"200 OK" in await reading.head()
            await asyncio.sleep(2 * SECONDS)


async def test_one_place_cannot_have_them_all(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TimedProtocol, "head_seconds", 60.0)
    async with contextlib.AsyncExitStack() as stack:
        several = [await stack.enter_async_context(connected(site)) for _ in range(MOST + 3)]
        assert [await one.ends(within=30) for one in several[:3]] == [True] * 3, "those that waited longest"
        for one in several[3:]:
            one.ask()
            assert b"200 OK" in await one.head()


async def test_many_that_wait_do_not_keep_others_of_their_place_out(
    site: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TimedProtocol, "head_seconds", 60.0)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(3 * MOST):
            await stack.enter_async_context(connected(site))
        last = await stack.enter_async_context(connected(site))
        last.ask()
        assert b"200 OK" in await last.head()
