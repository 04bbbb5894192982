"""Wake-ups within one process: on one machine, whoever waits for a build hears of it at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class LocalSubscription:
    """A `core.queue.Subscription`."""

    def __init__(self) -> None:
        self._told = asyncio.Event()

    def tell(self) -> None:
        """Something happened; it is remembered until the next `wait`."""
        self._told.set()

    async def wait(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._told.wait()
        except TimeoutError:
            return False
        self._told.clear()
        return True


class LocalWakeups:
    """A `core.queue.Wakeups`. All who wait for a topic are woken: the first might not fit the build."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[LocalSubscription]] = {}

    async def tell(self, topic: str) -> None:
        self.wake(topic)

    def wake(self, topic: str) -> None:
        """The same, at once."""
        for subscription in self._waiting.get(topic, ()):
            subscription.tell()

    def wake_all(self) -> None:
        """Have everybody look: something may have been missed."""
        for topic in self._waiting:
            self.wake(topic)

    @asynccontextmanager
    async def subscribe(self, *topics: str) -> AsyncIterator[LocalSubscription]:
        subscription = LocalSubscription()
        for topic in topics:
            self._waiting.setdefault(topic, []).append(subscription)
        try:
            yield subscription
        finally:
            for topic in topics:
                self._waiting[topic].remove(subscription)
                if not self._waiting[topic]:
                    del self._waiting[topic]
