"""The tables refuse what does not belong in them, whoever asks and whichever database it is."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, LargeBinary, Table, insert
from sqlalchemy.exc import DBAPIError, IntegrityError

from sealock.store.database.engine import Database
from sealock.store.database.metadata import LIMIT, Words
from sealock.store.database.schema import metadata
from tests.support.database import example, fill

pytestmark = pytest.mark.anyio
TABLES = list(metadata.sorted_tables)


async def refused(database: Database, table: Table, change: dict[str, Any]) -> DBAPIError:
    """Why a row with that change is refused."""
    with pytest.raises(DBAPIError) as error:
        async with database.write() as connection:
            await connection.execute(table.delete())
            await connection.execute(insert(table).values({**example(table), **change}))
    return error.value


def too_long(column: Column[Any]) -> Any:
    length = int(column.info[LIMIT].split()[-1]) + 1
    return b"x" * length if isinstance(column.type, LargeBinary) else "x" * length


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
async def test_what_is_too_long_or_unknown_or_missing(database: Database, table: Table) -> None:
    await fill(database)
    for column in table.columns:
        if LIMIT in column.info and not column.foreign_keys:
            error = await refused(database, table, {column.name: too_long(column)})
            assert f"{column.name}_length" in str(error.orig) or "too long" in str(error.orig), column
        if isinstance(column.type, Words) and LIMIT not in column.info:
            error = await refused(database, table, {column.name: "unheard-of"})
            assert f"ck_{table.name}_{column.name}_known" in str(error.orig)
        if column.foreign_keys and isinstance(column.type, Words):
            assert isinstance(await refused(database, table, {column.name: "nobody"}), IntegrityError)
        if not column.nullable and not column.primary_key:
            assert isinstance(await refused(database, table, {column.name: None}), IntegrityError), column


@pytest.mark.parametrize("change", [{"data": None}, {"destroyed_at": 1}], ids=["no data", "data"])
async def test_a_destroyed_value_has_no_data_and_every_other_has(
    database: Database, change: dict[str, Any]
) -> None:
    await fill(database)
    error = await refused(database, metadata.tables["sealed_values"], change)
    assert "data_or_destroyed" in str(error.orig)
