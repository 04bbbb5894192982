"""What several websites of one installation share beside the database: wake-ups, and a Redis if any."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sealock.core.secret import Secret

if TYPE_CHECKING:
    from sealock.core.queue import Wakeups
    from sealock.settings import Settings
    from sealock.store.database.engine import Database
    from sealock.store.redis.address import RedisServer

Say = Callable[[str], None]


def redis_of(settings: Settings) -> RedisServer | None:
    """The Redis of the settings. UsageError if it cannot be used, or the extra `redis` is not installed."""
    from sealock.core.errors import UsageError

    if settings.redis is None:
        return None
    try:
        from sealock.store.redis.address import server_of
    except ImportError as error:
        raise UsageError(
            "the setting redis needs the extra `redis`", resolution="pip install 'sealock[redis]'"
        ) from error
    return server_of(Secret(settings.redis.get_secret_value().encode()), settings.redis_ca_certificate)


@asynccontextmanager
async def open_wakeups(settings: Settings, database: Database, say: Say) -> AsyncIterator[Wakeups]:
    """Within one process, by the database, or by the Redis that is configured."""
    from sealock.store.queue.postgres_wakeups import postgres_wakeups
    from sealock.store.queue.wakeups import LocalWakeups

    server = redis_of(settings)
    if server is not None:
        from sealock.store.redis.wakeups import redis_wakeups

        async with redis_wakeups(server, say) as shared:
            yield shared
    elif database.is_sqlite:
        yield LocalWakeups()
    else:
        async with postgres_wakeups(database) as heard:
            yield heard
