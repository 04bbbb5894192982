"""A PostgreSQL server that goes away and comes back: at the start, between two requests, and within one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg import sql
from sqlalchemy import text

from sealock.core.errors import TemporaryError, UsageError
from sealock.store.database.engine import Database, open_database
from tests.support.postgres import Cluster, cluster

pytestmark = pytest.mark.anyio


@pytest.fixture
def server() -> Iterator[Cluster]:
    """One of its own, to be stopped."""
    with cluster() as made:
        yield made


async def value(database: Database) -> int:
    async with database.read() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM kept"))).scalar_one())


async def make(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE kept (value INTEGER)"))


async def test_a_server_that_is_down_is_told_at_the_start(server: Cluster) -> None:
    with server.database() as url:
        server.stop()
        with pytest.raises(TemporaryError, match="cannot be reached"):
            async with open_database(url):
                pass
        server.start()
        async with open_database(url) as database:
            await make(database)


async def test_a_database_that_is_not_there_is_told(server: Cluster) -> None:
    with server.database() as url:
        with pytest.raises(UsageError, match="does not let us in") as refused:
            async with open_database(url.replace("/test_1?", "/other?")):
                pass
        assert '"other" does not exist' in refused.value.details


async def test_a_restart_between_two_requests_is_not_noticed(server: Cluster) -> None:
    with server.database() as url:
        async with open_database(url) as database:
            await make(database)
            server.stop()
            server.start()
            assert await value(database) == 0


async def test_a_server_that_is_away_is_told_until_it_is_back(server: Cluster) -> None:
    with server.database() as url:
        async with open_database(url) as database:
            await make(database)
            server.stop()
            for _ in range(2):
                with pytest.raises(TemporaryError, match="did not answer"):
                    await value(database)
            server.start()
            assert await value(database) == 0


async def test_a_transaction_that_is_cut_off_leaves_nothing(server: Cluster) -> None:
    with server.database() as url:
        async with open_database(url) as database:
            await make(database)
            with pytest.raises(TemporaryError, match="did not answer"):
                async with database.write() as connection:
                    await connection.execute(text("INSERT INTO kept VALUES (1)"))
                    server.stop()
                    await connection.execute(text("INSERT INTO kept VALUES (2)"))
            server.start()
            assert await value(database) == 0
            async with database.write() as connection:
                await connection.execute(text("INSERT INTO kept VALUES (3)"))
            assert await value(database) == 1


async def test_a_backend_that_is_ended_is_temporary(server: Cluster) -> None:
    with server.database() as url:
        async with open_database(url) as database:
            await make(database)
            with pytest.raises(TemporaryError):
                async with database.write() as connection:
                    found = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
                    server.execute(sql.SQL("SELECT pg_terminate_backend({})").format(found))
                    await connection.execute(text("SELECT 1"))
            assert await value(database) == 0


async def test_a_conflict_of_two_writers_is_temporary(server: Cluster) -> None:
    with server.database() as url:
        async with open_database(url) as database:
            await make(database)
            async with database.write() as connection:
                await connection.execute(text("INSERT INTO kept VALUES (1)"))
            with pytest.raises(TemporaryError, match="did not answer") as told:
                async with database.write() as one:
                    await one.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
                    await one.execute(text("SELECT * FROM kept"))
                    async with database.write() as other:
                        await other.execute(text("UPDATE kept SET value = 2"))
                    await one.execute(text("UPDATE kept SET value = 3"))
            assert "could not serialize" in told.value.details


async def test_a_mistake_of_ours_is_no_fault_of_the_servers(server: Cluster) -> None:
    with server.database() as url:
        async with open_database(url) as database:
            with pytest.raises(Exception, match="syntax error") as raised:
                async with database.read() as connection:
                    await connection.execute(text("SELEKT"))
            assert not isinstance(raised.value, TemporaryError)
