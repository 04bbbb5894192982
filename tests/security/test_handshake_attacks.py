"""Connections that do not get as far as TLS: a stranger must not be able to hold all there can be, on either
door."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from sealock.access.authority import Authority
from sealock.web.handshakes import Handshake, Handshakes
from sealock.web.worker_polls import LongPolls
from sealock.web.worker_server import WorkerDoor
from tests.support.website import served

pytestmark = pytest.mark.anyio

SECONDS, MOST, MANY = 1.0, 5, 2000
ASKS = b"GET /health HTTP/1.1\r\nHost: localhost:%d\r\nConnection: close\r\n\r\n"


@dataclass
class Door:
    """port: on loopback. authority: what to trust it by."""

    port: int
    authority: Path

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority)

    @asynccontextmanager
    async def silent(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection that is there, and has said nothing."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def ask(self) -> bytes:
        """The answer to somebody ordinary."""
        async with asyncio.timeout(60):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self.port, ssl=self.tls, server_hostname="localhost"
            )
            writer.write(ASKS % self.port)
            try:
                return await reader.read()
            finally:
                writer.transport.abort()


@asynccontextmanager
async def worker_door(directory: Path) -> AsyncIterator[Door]:
    """The door for workers, before another room than its own."""
    app = Starlette(routes=[Route("/health", lambda _: PlainTextResponse("ok"))])
    app.state.polls = LongPolls()
    authority = Authority(directory / "authority", ["localhost"])
    door = WorkerDoor(app, authority.website_certificate, authority.certificate())  # type: ignore[arg-type]  # any application
    task = asyncio.create_task(door.serve("127.0.0.1", 0))
    await asyncio.wait_for(door.ready.wait(), 20)
    try:
        yield Door(door.port, authority.certificate())
    finally:
        door.stop()
        await asyncio.wait_for(task, 30)


@pytest.fixture(params=["website", "workers"])
async def door(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Door]:
    if request.param == "workers":
        async with worker_door(tmp_path) as there:
            yield there
        return
    async with served(tmp_path) as site:
        yield Door(site.https, site.authority)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Handshake, "seconds", SECONDS)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what ends is not ended by its time."""
    monkeypatch.setattr(Handshake, "seconds", 60.0)


async def ends(reader: asyncio.StreamReader, within: float) -> bool:
    """Whether the other end closes it."""
    try:
        async with asyncio.timeout(within):
            while await reader.read(4096):
                pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


@pytest.mark.usefixtures("hurried")
async def test_one_that_never_begins_is_closed(door: Door) -> None:
    async with door.silent() as (reader, _):
        assert await ends(reader, within=30)


@pytest.mark.usefixtures("hurried")
async def test_one_that_shakes_hands_a_byte_at_a_time_is_closed(door: Door) -> None:
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = door.tls.wrap_bio(coming, going, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    hello = going.read()
    async with door.silent() as (reader, writer):
        ending = asyncio.create_task(ends(reader, within=30))
        for byte in hello:
            if ending.done():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(SECONDS / 10)
        assert await ending


@pytest.mark.usefixtures("patient")
async def test_of_one_place_those_that_took_longest_are_given_up(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handshakes, "most_of_one", MOST)
    async with contextlib.AsyncExitStack() as stack:
        several = [await stack.enter_async_context(door.silent()) for _ in range(MOST + 3)]
        assert [await ends(reader, within=30) for reader, _ in several[:3]] == [True] * 3
        assert b"200 OK" in await door.ask()
        assert not await ends(several[-1][0], within=0.2)


@pytest.mark.usefixtures("patient")
async def test_thousands_hold_few_and_keep_nobody_out(door: Door) -> None:
    with many_files():
        async with contextlib.AsyncExitStack() as stack:
            several = [await stack.enter_async_context(door.silent()) for _ in range(MANY)]
            assert b"200 OK" in await door.ask()
            held = [reader for reader, _ in several if not reader.at_eof() and reader.exception() is None]
            assert len(held) <= Handshakes.most_of_one


@contextlib.contextmanager
def many_files() -> Iterator[None]:
    """Both ends of all of them are this process's."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(3 * MANY, before[1]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_what_comes_together_with_the_end_of_a_handshake_is_read(door: Door) -> None:
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = door.tls.wrap_bio(coming, going, server_hostname="localhost")
    async with door.silent() as (reader, writer), asyncio.timeout(60):
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(going.read())
                coming.write(await reader.read(16384))
        client.write(ASKS % door.port)
        writer.write(going.read())
        answer = b""
        while b"200 OK" not in answer:
            try:
                answer += client.read(4096)
            except ssl.SSLWantReadError:
                coming.write(await reader.read(16384))


@pytest.mark.usefixtures("patient")
async def test_a_server_that_stops_waits_for_no_handshake(tmp_path: Path) -> None:
    """It stops, and who was shaking hands is told so: nothing of a stopped server stays open."""
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        async with served(tmp_path, grace=50) as site:
            reader, _ = await stack.enter_async_context(Door(site.https, site.authority).silent())
            await Door(site.https, site.authority).ask()  # so that the one before it has been accepted
            began = loop.time()
        assert loop.time() - began < 30, "a handshake may take 60, and the end of the others 50"
        async with asyncio.timeout(30):
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
