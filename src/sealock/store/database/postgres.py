"""A database of a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from sealock.core.errors import UsageError
from sealock.store.database.address import PostgresServer


def postgres_engine(place: PostgresServer) -> AsyncEngine:
    """An engine whose connections are tried before they are used, so that a server that was started anew
    is not noticed by anybody. UsageError if its driver is not installed."""
    with _driver_needed():
        return create_async_engine(
            place.url,
            connect_args=dict(place.options),
            pool_pre_ping=True,
            pool_size=10,
            max_overflow=10,
            pool_timeout=15,
            isolation_level="READ COMMITTED",
            hide_parameters=True,
        )


def waiting_postgres_engine(place: PostgresServer) -> Engine:
    """The same for whoever has no event loop: its calls wait."""
    with _driver_needed():
        return create_engine(
            place.url,
            connect_args=dict(place.options),
            pool_pre_ping=True,
            pool_size=1,
            isolation_level="READ COMMITTED",
            hide_parameters=True,
        )


@contextmanager
def _driver_needed() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise UsageError(
            "PostgreSQL's driver is not installed",
            details=str(error),
            resolution="Install Sealock with its extra `postgres`.",
        ) from error
