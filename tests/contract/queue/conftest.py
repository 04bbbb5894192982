"""Every queue there is, with two accounts and a worker around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sealock.store.database.engine import open_database
from sealock.store.database.migrations import upgrade
from tests.support.queue import Around, AroundDatabase, AroundMemory


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
async def around(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Around]:
    if request.param == "memory":
        yield await _furnished(AroundMemory())
    elif request.param == "sqlite":
        async with open_database(f"sqlite:///{tmp_path}/sealock.db") as database:
            await upgrade(database)
            yield await _furnished(AroundDatabase(database))
    else:
        with request.getfixturevalue("postgres").database() as url:
            async with open_database(url) as database:
                await upgrade(database)
                yield await _furnished(AroundDatabase(database))


async def _furnished(around: Around) -> Around:
    await around.account("one")
    await around.account("two")
    await around.worker("w")
    return around
