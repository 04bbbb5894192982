"""Wake-ups between the servers of one PostgreSQL database, also after its connection was cut."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from sealock.core.queue import WORK, stop_topic
from sealock.store.database.address import PostgresServer, place_of
from sealock.store.database.engine import Database, open_database
from sealock.store.database.postgres import postgres_engine
from sealock.store.queue.postgres_wakeups import postgres_wakeups

pytestmark = pytest.mark.anyio

CUT = text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE pid <> pg_backend_pid() AND query LIKE 'LISTEN%' AND datname = current_database()"
)


@pytest.fixture
async def databases(postgres: Any) -> AsyncIterator[tuple[Database, Database]]:
    with postgres.database() as url:
        async with open_database(url) as one, open_database(url) as other:
            yield one, other


async def test_what_one_server_tells_another_hears(databases: tuple[Database, Database]) -> None:
    one, other = databases
    async with (
        postgres_wakeups(one) as here,
        postgres_wakeups(other) as there,
        there.subscribe(WORK) as work,
        there.subscribe(stop_topic("w")) as stop,
    ):
        assert not await work.wait(0.2)
        await here.tell(WORK)
        assert await work.wait(60)
        assert not await stop.wait(0.2)
        await here.tell(stop_topic("w"))
        assert await stop.wait(60)


async def test_a_connection_that_was_cut_is_made_anew_and_everybody_looks(
    databases: tuple[Database, Database],
) -> None:
    one, other = databases
    async with (
        postgres_wakeups(one) as here,
        postgres_wakeups(other) as there,
        here.subscribe(WORK) as mine,
        there.subscribe(WORK) as theirs,
    ):
        async with one.write() as connection:
            assert (await connection.execute(CUT)).scalar_one() == 2
        assert await mine.wait(60), "something may have been told meanwhile"
        assert await theirs.wait(60)
        await here.tell(WORK)
        assert await theirs.wait(60)


async def test_nothing_is_left_listening(databases: tuple[Database, Database]) -> None:
    one, other = databases
    async with postgres_wakeups(one):
        assert await _listeners(other) == 1
    deadline = time.monotonic() + 60
    while await _listeners(other):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def _listeners(database: Database) -> int:
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
    )
    async with database.read() as connection:
        return int((await connection.execute(text(query))).scalar_one())


async def test_a_database_that_is_away_keeps_nobody_from_waking_who_is_here() -> None:
    place = place_of("postgresql://sealock@localhost:1/away", {})
    assert isinstance(place, PostgresServer)
    away = Database(postgres_engine(place), place)
    async with postgres_wakeups(away) as here, here.subscribe(WORK) as work:
        await here.tell(WORK)
        assert await work.wait(0)
    await away.engine.dispose()
