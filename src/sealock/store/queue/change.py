"""One transaction that changes the queue: alone, and by the database's own clock.

Who decides who is next must be the only one deciding, or two would each see the last free place of an
account and both take it. SQLite has one writer at a time anyway; PostgreSQL gets a lock of ours. It is held
for some milliseconds; a CI claims a few builds a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from sealock.core.queue import Patience, QueueState
from sealock.store.database.metadata import milliseconds

_LOCK = 0x5EA10C0
"""PostgreSQL's advisory lock of the queue; any number that is always the same and no other's."""

_TAKE = text("SELECT pg_advisory_xact_lock(:lock)")
_POSTGRES_TIME = text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)")
_SQLITE_TIME = text("SELECT CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)")

Clock = Callable[[Connection], int]
"""Milliseconds since 1970."""


def database_time(connection: Connection) -> int:
    """The time now, not when the transaction began: it may have waited for the lock."""
    postgres = connection.dialect.name == "postgresql"
    return int(connection.execute(_POSTGRES_TIME if postgres else _SQLITE_TIME).scalar_one())


def stand_alone(connection: Connection) -> None:
    """Until this transaction ends, no other changes the queue."""
    if connection.dialect.name == "postgresql":
        connection.execute(_TAKE, {"lock": _LOCK})


@dataclass
class Change:
    """now: milliseconds since 1970. topics: what is told once the transaction has ended."""

    connection: Connection
    now: int
    patience: Patience
    topics: set[str] = field(default_factory=set)

    def after(self, seconds: float) -> int:
        """The time in so many seconds."""
        return self.now + milliseconds(seconds)

    def deadline(self, state: QueueState, *, deploys: bool) -> int:
        """When a build is looked at that enters this state now, and may not stay in it."""
        return self.after(self.patience.of(state, deploys=deploys) or 0.0)
