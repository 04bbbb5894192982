"""Wake-ups between the websites of one installation, by Redis's publish and subscribe.

Two connections, one that tells and one that hears; both are made anew if either breaks. What was told while
there was none is not known, so then everybody is woken, here and at the other websites. Whoever tells never
waits for Redis: what is to be told is a set that one task empties.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from sealock.store.queue.wakeups import LocalSubscription, LocalWakeups
from sealock.store.redis.address import ANSWER, RedisServer

CHANNEL = "sealock:wake"
EVERYBODY = "*"
"""A topic that stands for all of them."""

AGAIN_AFTER, AGAIN_AT_MOST = 0.5, 5.0
"""Seconds until the connections are made anew that were lost; longer each time."""

BEAT = 4.0
SILENCE = 10.0
"""Seconds between signs of life that we tell ourselves, and after which a Redis that says nothing is away."""

MOST_UNTOLD = 1000
LONGEST = 200
"""Topics that wait to be told, and characters of one that is heard."""


class RedisWakeups:
    """A `core.queue.Wakeups`, from `redis_wakeups`. say: takes lines for the operator, when Redis goes away
    and is back. reached: while it is there."""

    def __init__(
        self,
        server: RedisServer,
        say: Callable[[str], None],
        *,
        beat: float = BEAT,
        silence: float = SILENCE,
    ) -> None:
        self._server, self._say = server, say
        self._beat, self._silence = beat, silence
        self._was_away = False
        self._local = LocalWakeups()
        self._own = secrets.token_hex(8)  # what we hear of ourselves wakes nobody twice
        self._untold: set[str] = set()
        self._has_untold = asyncio.Event()
        self.reached = asyncio.Event()
        self._tried = asyncio.Event()  # it was there once, or was not

    async def has_tried(self) -> None:
        """Wait until it is there or known to be away."""
        await self._tried.wait()

    async def tell(self, topic: str) -> None:
        self._local.wake(topic)
        if len(self._untold) >= MOST_UNTOLD:
            self._untold = {EVERYBODY}
        self._untold.add(topic)
        self._has_untold.set()

    @asynccontextmanager
    async def subscribe(self, *topics: str) -> AsyncIterator[LocalSubscription]:
        async with self._local.subscribe(*topics) as subscription:
            yield subscription

    async def run(self) -> None:
        """Tell and hear, for ever."""
        again_after = AGAIN_AFTER
        while True:
            try:
                await self._connected()
            except* Exception as errors:
                # Whatever it is that it answers, nobody here is to stop because of it.
                again_after = AGAIN_AFTER if self.reached.is_set() else min(again_after * 2, AGAIN_AT_MOST)
                self._tell_operator(_first(errors))
            self.reached.clear()
            # Not all websites at once.
            await asyncio.sleep(again_after * random.uniform(0.5, 1.0))  # noqa: S311

    async def _connected(self) -> None:
        client = self._server.client()
        try:
            async with client.pubsub() as heard, asyncio.TaskGroup() as tasks:
                await heard.subscribe(CHANNEL)
                tasks.create_task(self._hear(heard))
                tasks.create_task(self._tell_all(client))
        finally:
            with suppress(RedisError, OSError):
                await client.aclose()

    async def _hear(self, heard: Any) -> None:
        while True:
            message = await heard.get_message(timeout=self._silence)
            if message is None:
                raise TimeoutError("Redis says nothing")
            if message["type"] == "subscribe":
                self._is_there()
            elif message["type"] == "message":
                self._take(message["data"])

    def _is_there(self) -> None:
        self.reached.set()
        self._tried.set()
        self._local.wake_all()
        if self._was_away:
            self._was_away = False
            self._say(f"{self._server} is there")

    def _tell_operator(self, error: BaseException) -> None:
        """Once, not with each try."""
        self._tried.set()
        if not self._was_away:
            self._was_away = True
            self._say(
                f"{self._server} is away: {error}. Until it is back, websites look every few seconds "
                "instead of waking each other."
            )

    def _take(self, data: bytes) -> None:
        sender, _, topic = data[:LONGEST].decode(errors="replace").partition(" ")
        if sender == self._own:
            return
        if topic == EVERYBODY:
            self._local.wake_all()
        else:
            self._local.wake(topic)

    async def _tell_all(self, client: Redis) -> None:
        """What was told while nobody could be reached may have been lost, so everybody looks."""
        self._untold = {EVERYBODY}
        while True:
            self._has_untold.clear()
            topics, self._untold = self._untold or {""}, set()  # nothing: a sign of life
            for topic in topics:
                async with asyncio.timeout(ANSWER * 2):
                    await client.publish(CHANNEL, f"{self._own} {topic}")
            with suppress(TimeoutError):
                async with asyncio.timeout(self._beat):
                    await self._has_untold.wait()


@asynccontextmanager
async def redis_wakeups(server: RedisServer, say: Callable[[str], None]) -> AsyncIterator[RedisWakeups]:
    """Tells and hears while the block runs; it has begun to when the block begins, unless Redis is away.
    say: as of `RedisWakeups`."""
    wakeups = RedisWakeups(server, say)
    task = asyncio.create_task(wakeups.run())
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER):
                await wakeups.has_tried()
        yield wakeups
    finally:
        task.cancel()
        await asyncio.wait([task])


def _first(errors: BaseExceptionGroup) -> BaseException:
    """The first that is none of several."""
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
