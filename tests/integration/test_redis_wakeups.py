"""Wake-ups between websites over a real Redis with TLS: told, lost, killed, and with somebody in between."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from sealock.core.queue import WORK, stop_topic
from sealock.core.secret import Secret
from sealock.store.redis import address, wakeups
from sealock.store.redis.address import RedisServer, server_of
from sealock.store.redis.wakeups import CHANNEL, MOST_UNTOLD, RedisWakeups, redis_wakeups
from tests.support.certificates import make_certificate
from tests.support.database_proxy import proxy
from tests.support.ports import free_port
from tests.support.redis import PASSWORD, RedisProcess, redis_process, settled

pytestmark = pytest.mark.anyio


@pytest.fixture
def redis() -> Iterator[RedisProcess]:
    with redis_process() as made:
        yield made


@asynccontextmanager
async def running(server: RedisServer, said: list[str], silence: float = 2.0) -> AsyncIterator[RedisWakeups]:
    """As `redis_wakeups`, with less patience, and without waiting for Redis."""
    made = RedisWakeups(server, said.append, beat=silence / 3, silence=silence)
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


async def reached(wakeups: RedisWakeups) -> None:
    async with asyncio.timeout(60):
        await wakeups.reached.wait()


async def away(wakeups: RedisWakeups) -> None:
    async with asyncio.timeout(60):
        while wakeups.reached.is_set():  # noqa: ASYNC110 - it is cleared, which no event tells
            await asyncio.sleep(0.02)


async def test_what_one_website_tells_another_hears(redis: RedisProcess) -> None:
    said: list[str] = []
    async with (
        redis_wakeups(redis.server, said.append) as here,
        redis_wakeups(redis.server, said.append) as there,
        there.subscribe(WORK) as work,
        there.subscribe(stop_topic("w")) as stop,
    ):
        await settled(here, there)
        await work.wait(0), await stop.wait(0)  # what beginning told
        await here.tell(WORK)
        assert await work.wait(60)
        assert not await stop.wait(0.2)
        await here.tell(stop_topic("w"))
        assert await stop.wait(60)
    assert said == []


async def test_who_tells_does_not_wake_its_own_twice(redis: RedisProcess) -> None:
    async with redis_wakeups(redis.server, print) as here, here.subscribe(WORK) as work:
        await work.wait(0)
        await here.tell(WORK)
        assert await work.wait(0)
        assert not await work.wait(0.5)


async def test_killed_and_started_anew_in_mid_use(redis: RedisProcess) -> None:
    said: list[str] = []
    async with (
        running(redis.server, said) as here,
        running(redis.server, said) as there,
        here.subscribe("mine") as mine,
        there.subscribe("theirs") as theirs,
    ):
        await reached(here)
        await reached(there)
        for _ in range(2):
            redis.kill()
            await away(here)
            await away(there)
            await mine.wait(0), await theirs.wait(0)
            others: list[str] = []
            asyncio.get_running_loop().call_soon(others.append, "had their turn")
            for _ in range(100):
                await here.tell("theirs")
                await here.tell("mine")
            assert others == [], "nobody waits for Redis, nor for anything"
            assert await mine.wait(0), "who is here is woken all the same"
            redis.start()
            assert await theirs.wait(60), "what was told meanwhile is made up for"
            await reached(here)
            await reached(there)
    assert sum("is away" in line for line in said) == sum("is there" in line for line in said) == 4
    assert not any(PASSWORD in line for line in said)


async def test_after_a_broken_connection_everybody_looks_here_and_there(redis: RedisProcess) -> None:
    async with (
        running(redis.server, []) as here,
        running(redis.server, []) as there,
        here.subscribe("mine") as mine,
        there.subscribe("theirs") as theirs,
    ):
        await reached(here)
        await reached(there)
        await settled(here, there)
        await mine.wait(0), await theirs.wait(0)
        await _break(redis, "pubsub")
        assert await mine.wait(60)
        assert await theirs.wait(60)


async def test_after_a_broken_connection_all_that_is_told_is_heard(redis: RedisProcess) -> None:
    """Whether a connection that told breaks while it tells or between, which nobody has to notice."""
    async with (
        running(redis.server, []) as here,
        running(redis.server, []) as there,
        there.subscribe("theirs") as theirs,
    ):
        await reached(here)
        await reached(there)
        await settled(here, there)
        await theirs.wait(0)
        for _ in range(5):
            await _break(redis, "normal")
            await here.tell("theirs")
            assert await theirs.wait(60)
            await settled(here, there)
            await theirs.wait(0)


async def _break(redis: RedisProcess, kind: str) -> None:
    client = redis.server.client()
    try:
        await client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")  # type: ignore[no-untyped-call]
    finally:
        await client.aclose()


async def test_a_redis_that_says_nothing_any_more_is_away(redis: RedisProcess) -> None:
    """Its connections are there, and nothing comes of them."""
    said: list[str] = []
    async with running(redis.server, said) as here, here.subscribe(WORK) as work:
        await reached(here)
        await work.wait(0)
        assert redis._server is not None
        stopped = redis._server
        stopped.send_signal(signal.SIGSTOP)
        await away(here)
        await here.tell(WORK)
        assert await work.wait(0)
        await work.wait(0)
        stopped.send_signal(signal.SIGCONT)
        assert await work.wait(60)
        await reached(here)


async def test_one_that_was_never_there_keeps_nobody_from_waking_who_is_here() -> None:
    said: list[str] = []
    server = server_of(Secret(f"redis://127.0.0.1:{free_port()}".encode()))
    async with redis_wakeups(server, said.append) as here, here.subscribe(WORK) as work:
        await here.tell(WORK)
        assert await work.wait(0)
        for number in range(MOST_UNTOLD * 3):
            await here.tell(f"build:{number}")
        assert len(here._untold) <= MOST_UNTOLD + 1
    assert len(said) == 1
    assert "is away" in said[0]


async def test_reached_through_its_unix_socket(redis: RedisProcess) -> None:
    server = server_of(Secret(f"unix://:{PASSWORD.replace(' ', '%20')}@{redis.socket}".encode()))
    async with (
        redis_wakeups(redis.server, print) as here,
        redis_wakeups(server, print) as there,
        there.subscribe(WORK) as work,
    ):
        assert there.reached.is_set()
        await settled(here, there)
        await work.wait(0)
        await here.tell(WORK)
        assert await work.wait(60)


async def test_nothing_is_left_connected(redis: RedisProcess) -> None:
    client = redis.server.client()
    async with redis_wakeups(redis.server, print):
        assert len(await client.client_list()) >= 2
    async with asyncio.timeout(60):
        while len(await client.client_list()) > 1:  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.02)
    await client.aclose()


async def test_what_others_publish_is_no_more_than_a_wake_up(redis: RedisProcess) -> None:
    """Whoever may write to Redis can wake, and nothing else: not stop it, nor fill the memory."""
    said: list[str] = []
    client = redis.server.client()
    async with running(redis.server, said) as here, here.subscribe(WORK) as work:
        await reached(here)
        await work.wait(0)
        for data in (
            b"",
            b"\xff\xfe\x00",
            b"x" * 100_000,
            b"someone *",
            b"someone work",
            b" ",
            b"a b c \r\n",
        ):
            await client.publish(CHANNEL, data)
        assert await work.wait(60)
        await asyncio.sleep(0.2)
        assert here.reached.is_set()
        assert set(here._local._waiting) == {WORK}
    await client.aclose()
    assert said == []


def wrong(redis: RedisProcess, tmp_path: Path, kind: str) -> RedisServer:
    """A way to Redis that is not to be gone, because of its certificate."""
    if kind == "another authority":
        redis.certify(tmp_path / "other")
        return redis.server
    if kind == "another host":
        redis.certify(tmp_path / "other", "redis.example")
        return server_of(redis.url, tmp_path / "other" / "ca.pem")
    if kind == "the system's authorities":
        return server_of(redis.url)
    return server_of(
        Secret(redis.url.reveal().replace(PASSWORD.replace(" ", "%20").encode(), b"wrong")), redis.authority
    )


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("another authority", "certificate verify failed"),
        ("another host", "mismatch"),
        ("the system's authorities", "certificate verify failed"),
        ("another password", "password"),
    ],
)
async def test_one_that_does_not_show_who_it_is_hears_nothing(
    redis: RedisProcess, tmp_path: Path, kind: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "ANSWER", 60.0)  # what ends it is what is wrong, not a busy host
    monkeypatch.setattr(wakeups, "AGAIN_AFTER", 0.05)
    redis.kill()
    server = wrong(redis, tmp_path, kind)
    redis.start()
    said: list[str] = []
    async with proxy(redis.port) as between:
        server.options["port"] = between.port
        async with redis_wakeups(server, said.append) as here, here.subscribe(WORK) as work:
            await here.tell("a topic")
            await here.tell(WORK)
            assert await work.wait(0)
            await asyncio.sleep(0.5)  # it is tried again, and not told of again
            assert not here.reached.is_set()
        assert len(said) == 1
        assert why in said[0]
        assert PASSWORD.encode() not in between.heard
        assert b"sealock" not in between.heard


async def test_somebody_in_between_hears_nothing_and_can_pose_as_nobody(
    redis: RedisProcess, tmp_path: Path
) -> None:
    """Who passes all on hears no password and no topic; who answers for it is not spoken to."""
    async with proxy(redis.port) as between:
        server = redis.server
        server.options["port"] = between.port
        async with redis_wakeups(server, print) as here:
            assert here.reached.is_set()
            await here.tell("a topic that nobody is to see")
            await asyncio.sleep(0.2)
        assert len(between.heard) > 100
        for secret in (PASSWORD.encode(), b"topic", b"sealock"):
            assert secret not in between.heard

    heard = bytearray()

    async def pose(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            heard.extend(await reader.read(1000))
            writer.write(b"+OK\r\n" * 100)
            await writer.drain()
        writer.close()

    posing = await asyncio.start_server(pose, "127.0.0.1", 0)
    server.options["port"] = posing.sockets[0].getsockname()[1]
    said: list[str] = []
    async with redis_wakeups(server, said.append) as here:
        assert not here.reached.is_set()
    posing.close()
    assert heard[:1] == b"\x16", "a TLS hello and nothing in the clear"
    assert PASSWORD.encode() not in heard
    assert said


async def test_an_authority_that_the_system_trusts_is_not_believed_beside_the_given_one(
    redis: RedisProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client library would believe both."""
    (tmp_path / "given").mkdir()
    given, _, _ = make_certificate(tmp_path / "given")
    monkeypatch.setenv("SSL_CERT_FILE", str(redis.authority))
    async with redis_wakeups(server_of(redis.url), print) as trusting:
        assert trusting.reached.is_set(), "the system does trust it"
    async with redis_wakeups(server_of(redis.url, given), print) as here:
        assert not here.reached.is_set()
