"""The website's own log: what people and workers sent must not stand in it, nor make lines of its own."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from sealock.store.database.address import PostgresServer, place_of
from sealock.store.database.postgres import postgres_engine, waiting_postgres_engine
from sealock.store.database.sqlite import sqlite_engine, waiting_sqlite_engine
from tests.support.site import make_site

pytestmark = pytest.mark.anyio

CANARY = "canary-4711-of-a-customer"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that is logged, as a log file would have it."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)


async def test_a_database_that_fails_leaves_no_value_in_the_log(tmp_path: Path, logged: io.StringIO) -> None:
    """A disk that is full, say: the statement and what it would have kept stand in the driver's error."""
    async with make_site(tmp_path) as site:
        async with site.database.write() as connection:
            await connection.execute(text("DROP TABLE sessions"))
        async with site.client() as visitor:
            answer = await visitor.post(
                "/api/session",
                json={"email": "ada@example.com", "password": "correct horse battery"},
                headers={"User-Agent": CANARY},
            )
    assert answer.status_code == 500 and CANARY not in answer.text
    assert "no such table" in logged.getvalue(), "what went wrong is to be found there"
    assert CANARY not in logged.getvalue()


async def test_no_engine_tells_values(tmp_path: Path) -> None:
    server = place_of("postgresql://sealock@127.0.0.1/sealock", {})
    assert isinstance(server, PostgresServer)
    engines = [
        sqlite_engine(tmp_path / "one.db").sync_engine,
        waiting_sqlite_engine(tmp_path / "two.db"),
        postgres_engine(server).sync_engine,
        waiting_postgres_engine(server),
    ]
    for engine in engines:
        assert engine.hide_parameters
        engine.dispose()
