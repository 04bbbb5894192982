"""The server's records, over each database in turn."""

from __future__ import annotations

import pytest

from sealock.store.database.engine import Database
from tests.support.records import Records


@pytest.fixture
async def records(database: Database) -> Records:
    made = Records(database)
    await made.furnish()
    return made
