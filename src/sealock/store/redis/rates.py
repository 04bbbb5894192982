"""Counts of requests that several websites share, as `limits` keeps them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from limits.aio.storage import RedisStorage
from redis.exceptions import RedisError

from sealock.store.redis.address import RedisServer

PREFIX = "sealock:rates"


@asynccontextmanager
async def shared_counts(server: RedisServer) -> AsyncIterator[RedisStorage]:
    """For `web.rates.Rates`, while the block runs. Each count ends by itself with its window."""
    pool = server.pool()
    try:
        yield RedisStorage(
            "async+redis://",  # where it is, the connections say
            implementation="redispy",
            key_prefix=PREFIX,
            connection_pool=pool,  # type: ignore[arg-type]  # handed on as it is
        )
    finally:
        with suppress(RedisError, OSError):  # one that is away cannot say good-bye
            await pool.disconnect()
