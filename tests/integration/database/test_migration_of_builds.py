"""What the step to the server's builds makes of rows that were there before, and the way back of new ones."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, select, text

from sealock.core.worker_state import WorkerState
from sealock.store.database.engine import Database
from sealock.store.database.migrations import downgrade, upgrade
from sealock.store.database.tables import accounts, builds, projects, workers
from tests.support.queue import build_row, project_row, worker_row

pytestmark = pytest.mark.anyio
BEFORE, AFTER = "0004", "0005"


async def test_builds_that_were_there_are_in_the_order_they_were_made(database: Database) -> None:
    rows = [("b1", "one", 1, 100), ("b2", "one", 2, 300), ("b3", "two", 1, 200), ("b4", "one", 3, 300)]
    await downgrade(database, BEFORE)
    async with database.write() as connection:
        for name in ("one", "two"):
            account: dict[str, Any] = {"id": name, "name": name, "created_at": 1}
            await connection.execute(insert(accounts), account)
            await connection.execute(insert(projects), project_row(name))
        for build, name, number, at in rows:
            await connection.execute(insert(builds), build_row(build, name, number) | {"created_at": at})
    await upgrade(database, AFTER)
    async with database.read() as connection:
        found = (await connection.execute(select(*builds.c["id", "place", "pipelines"]))).all()
    assert sorted(found) == [("b1", 1, None), ("b2", 2, None), ("b3", 1, None), ("b4", 3, None)]


async def test_names_of_revoked_workers_stand_in_nobodys_way_back(database: Database) -> None:
    of = [("r1", WorkerState.REVOKED), ("r2", WorkerState.REVOKED), ("new", WorkerState.ACTIVE)]
    async with database.write() as connection:
        for worker, state in of:
            row = worker_row(worker, 1, (), 1) | {"name": "arm", "state": state}
            await connection.execute(insert(workers), row)
        lonely = worker_row("r3", 1, (), 1) | {"name": "lonely", "state": WorkerState.REVOKED}
        await connection.execute(insert(workers), lonely)
    await downgrade(database, BEFORE)
    async with database.read() as connection:
        rows = await connection.execute(text("SELECT id, name FROM workers"))
        found: dict[str, str] = {row.id: row.name for row in rows}
    assert found["new"] == "arm" and found["r3"] == "lonely"
    assert len(set(found.values())) == len(found) == 4
    await upgrade(database)
