"""Counts of requests that several websites share, as `limits` keeps them."""

from __future__ import annotations

from limits.aio.storage import RedisStorage

from sealock.store.redis.address import RedisServer

PREFIX = "sealock:rates"


def shared_counts(server: RedisServer) -> RedisStorage:
    """For `web.rates.Rates`. Each count ends by itself with its window."""
    return RedisStorage(
        "async+redis://",  # where it is, the connections say
        implementation="redispy",
        key_prefix=PREFIX,
        connection_pool=server.pool(),  # type: ignore[arg-type]  # handed on as it is
    )
