"""Opens the server's database, and gives out its transactions.

`async with open_database(url) as database:` holds it: for a file, as the only server there is. Then
`async with database.write() as connection:` is one transaction that may change things, and
`database.read()` one that looks at one state of all tables.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from sealock.store.database.address import PostgresServer, SqliteFile, place_of
from sealock.store.database.failures import failure_at_start, in_our_words
from sealock.store.database.postgres import postgres_engine
from sealock.store.database.sqlite import (
    WRITES,
    make_file,
    only_server,
    refuse_shared_filesystem,
    sqlite_engine,
)


class Database:
    """An open database. place: where it is, for errors. engine: for what needs neither of the two."""

    def __init__(self, engine: AsyncEngine, place: SqliteFile | PostgresServer) -> None:
        self.engine = engine
        self.place = place
        # SQLite has one writer at a time; within this process they queue up here, in their order, rather
        # than sleep and try again.
        self._writer = asyncio.Lock() if isinstance(place, SqliteFile) else None

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file."""
        return self._writer is not None

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only looks, at one state of all tables. TemporaryError if the database does
        not answer."""
        with in_our_words(self.place):
            async with self.engine.connect() as connection:
                if not self.is_sqlite:
                    await connection.execution_options(
                        isolation_level="REPEATABLE READ", postgresql_readonly=True
                    )
                async with connection.begin():
                    yield connection

    @asynccontextmanager
    async def write(self, *, schema: bool = False) -> AsyncIterator[AsyncConnection]:
        """A transaction that may change things: all of it once the block is left, or nothing if it is left
        by an error. TemporaryError if the database does not answer; then it is not known to be kept.

        schema: tables may be changed too. SQLite does that by making a table anew and dropping the old
        one, which must not delete what refers to it; so it does not watch references meanwhile.
        """
        async with AsyncExitStack() as stack:
            if self._writer is not None:
                await stack.enter_async_context(self._writer)
            stack.enter_context(in_our_words(self.place))
            connection = await stack.enter_async_context(self.engine.connect())
            await connection.execution_options(**{WRITES: True})
            if schema and self.is_sqlite:
                await stack.enter_async_context(_references_unwatched(connection))
            await stack.enter_async_context(connection.begin())
            yield connection


@asynccontextmanager
async def _references_unwatched(connection: AsyncConnection) -> AsyncIterator[None]:
    """SQLite takes this setting between transactions only; so it goes to the driver's connection."""
    raw = (await connection.get_raw_connection()).driver_connection
    assert raw is not None
    await raw.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        await raw.execute("PRAGMA foreign_keys = ON")


@asynccontextmanager
async def open_database(url: str, *, alone: bool = True) -> AsyncIterator[Database]:
    """The database at `url` (`database.address`), open until the block is left.

    alone: as the one server of a file; not needed to read it beside a server. UsageError for a URL that
    cannot be used, a file on a network file system or with another server, a wrong password or
    certificate; PermanentError for a file others may read; TemporaryError if nobody answers.
    """
    place = place_of(url, os.environ)
    async with AsyncExitStack() as stack:
        if isinstance(place, SqliteFile):
            refuse_shared_filesystem(place.path)
            make_file(place.path)
            if alone:
                stack.enter_context(only_server(place.path))
            engine = sqlite_engine(place.path)
        else:
            engine = postgres_engine(place)
        stack.push_async_callback(engine.dispose)
        await _try(engine, place)
        yield Database(engine, place)


async def _try(engine: AsyncEngine, place: SqliteFile | PostgresServer) -> None:
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError) as error:
        if isinstance(place, SqliteFile):
            with in_our_words(place):
                raise
        raise failure_at_start(error, place) from error
