"""Wake-ups between the servers of one PostgreSQL database, by LISTEN and NOTIFY.

One connection listens. Whenever it had to be made anew, everybody is woken: nobody knows what was missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from sealock.store.database.engine import Database
from sealock.store.queue.wakeups import LocalSubscription, LocalWakeups

CHANNEL = "sealock_queue"
AGAIN_AFTER = 1.0
"""Seconds until the connection is made anew that was lost."""

_NOTIFY = text("SELECT pg_notify(:channel, :topic)")


class PostgresWakeups:
    """A `core.queue.Wakeups`, from `postgres_wakeups`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._local = LocalWakeups()
        self.listening = asyncio.Event()

    async def tell(self, topic: str) -> None:
        self._local.wake(topic)
        with suppress(SQLAlchemyError, OSError):
            async with self._database.engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                await connection.execute(_NOTIFY, {"channel": CHANNEL, "topic": topic})

    @asynccontextmanager
    async def subscribe(self, *topics: str) -> AsyncIterator[LocalSubscription]:
        async with self._local.subscribe(*topics) as subscription:
            yield subscription

    async def listen(self) -> None:
        """Hear what others tell, for ever."""
        while True:
            with suppress(SQLAlchemyError, OSError):
                await self._hear()
            self.listening.clear()
            await asyncio.sleep(AGAIN_AFTER)

    async def _hear(self) -> None:
        async with self._database.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            driver: Any = (await connection.get_raw_connection()).driver_connection
            try:
                await connection.execute(text(f"LISTEN {CHANNEL}"))
                self.listening.set()
                self._local.wake_all()
                async for told in driver.notifies():
                    self._local.wake(told.payload)
            except driver_errors() as error:
                raise ConnectionError("the database hung up") from error
            finally:
                # It listens still, or is broken: nobody else shall have it.
                await connection.invalidate()


def driver_errors() -> type[Exception]:
    """What the driver raises by itself. It is imported here, since SQLite does without."""
    import psycopg  # noqa: PLC0415

    return psycopg.Error


@asynccontextmanager
async def postgres_wakeups(database: Database) -> AsyncIterator[PostgresWakeups]:
    """Listens while the block runs; it has begun to when the block begins, unless the database is away."""
    wakeups = PostgresWakeups(database)
    task = asyncio.create_task(wakeups.listen())
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(AGAIN_AFTER):
                await wakeups.listening.wait()
        yield wakeups
    finally:
        task.cancel()
        await asyncio.wait([task])
