"""Rows for every table of the database, and a look at all of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    select,
)
from sqlalchemy import insert as insert_into

from sealock.store.database.engine import Database
from sealock.store.database.metadata import LIMIT, Words
from sealock.store.database.schema import metadata

DIFFICULT = 'é "quoted" \\ \n 漢字 🙂'


def example(table: Table) -> dict[str, Any]:
    """A row with a value in every column, which fits the other tables' rows."""
    return {column.name: _value(table, column) for column in table.columns}


def _value(table: Table, column: Column[Any]) -> Any:
    if column.foreign_keys:
        target = next(iter(column.foreign_keys)).column
        return _value(target.table, target)
    fixed = {("accounts", "id"): "local", ("sealed_values", "destroyed_at"): None}
    if (table.name, column.name) in fixed:
        return fixed[table.name, column.name]
    return _first_word(table, column) or _of_type(column)


def _of_type(column: Column[Any]) -> Any:
    kind = column.type
    if isinstance(kind, Words):
        return DIFFICULT[: kind.length]
    if isinstance(kind, LargeBinary):
        return b"\x00\xff" * (16 if column.info[LIMIT].startswith("=") else 3)
    values: dict[type[Any], Any] = {
        Boolean: True,
        BigInteger: 1_760_000_000_123,
        Integer: 7,
        JSON: {"text": DIFFICULT, "list": [1, None, True, 2.5]},
    }
    return values[type(kind)]


def _first_word(table: Table, column: Column[Any]) -> str | None:
    """The first word of the enum of this column, if it has one."""
    for check in table.constraints:
        if isinstance(check, CheckConstraint) and check.name == f"ck_{table.name}_{column.name}_known":
            return str(check.sqltext).split("'")[1]
    return None


async def fill(database: Database) -> None:
    """A row in every table that is there, with a value in every column that is."""
    async with database.write() as connection:
        there = (await connection.run_sync(_reflected)).tables
        for table in metadata.sorted_tables:
            if table.name in there and table.name != "accounts":
                row = {name: value for name, value in example(table).items() if name in there[table.name].c}
                await connection.execute(insert_into(table).values(row))


def _reflected(connection: Connection) -> MetaData:
    found = MetaData()
    found.reflect(connection)
    return found


async def rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    """All rows of every table there is, by the table's name, in an order of their own."""
    async with database.read() as connection:
        there = await connection.run_sync(_reflected)
        found = {}
        for table in there.sorted_tables:
            if table.name != "alembic_version":
                all_rows = (await connection.execute(select(table))).mappings().all()
                found[table.name] = sorted((dict(row) for row in all_rows), key=repr)
        return found


def only(more: dict[str, Any], less: dict[str, Any]) -> dict[str, Any]:
    """Of `more` the tables and columns that `less` has."""
    columns = {name: found[0].keys() for name, found in less.items() if found}
    return {
        name: [{column: row[column] for column in columns[name]} for row in more[name]] for name in columns
    }
