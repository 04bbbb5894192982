"""What holds for every table."""

from __future__ import annotations

import pytest
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from sealock.store.database.metadata import Words, milliseconds, seconds
from sealock.store.database.schema import metadata

TABLES = list(metadata.tables.values())
each_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
LONGEST_NAME = 63
"""PostgreSQL cuts off what is longer; two names could then be one."""


def checked(table: Table) -> str:
    found = [check for check in table.constraints if isinstance(check, CheckConstraint)]
    return "\n".join(f"{check.name}: {check.sqltext}" for check in found)


@each_table
def test_every_text_and_every_bytes_column_has_a_limit(table: Table) -> None:
    checks = checked(table)
    for column in table.columns:
        assert not isinstance(column.type, String), f"{column}: use `text`, which checks"
        if isinstance(column.type, Words | LargeBinary):
            length, words = f'length("{column.name}")', f'"{column.name}" IN ('
            assert length in checks or words in checks, column


@each_table
def test_every_constraint_has_a_name_that_both_databases_keep(table: Table) -> None:
    names = [str(item.name) for item in table.constraints] + [str(item.name) for item in table.indexes]
    assert all(name.split("_")[0] in {"pk", "fk", "uq", "ck", "ix"} for name in names)
    assert all(len(name) <= LONGEST_NAME for name in names)
    assert len(names) == len(set(names))


@each_table
def test_times_are_milliseconds(table: Table) -> None:
    times = [column for column in table.columns if column.name == "at" or column.name.endswith("_at")]
    assert all(isinstance(column.type, BigInteger) for column in times)


@each_table
def test_what_a_deletion_follows_can_be_found_without_reading_all(table: Table) -> None:
    """PostgreSQL looks for the rows that refer to a deleted one; without an index it reads the table."""
    keys = [item for item in table.constraints if isinstance(item, PrimaryKeyConstraint | UniqueConstraint)]
    first = [next(iter(item.columns)).name for item in (*table.indexes, *keys)]
    for key in table.foreign_keys:
        assert key.parent.name in first, key.parent


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_a_text_no_database_can_keep_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"NUL|surrogates"):
        Words(10).process_bind_param(value, SQLiteDialect())


def test_times_go_there_and_back() -> None:
    assert milliseconds(1_760_000_000.25) == 1_760_000_000_250
    assert seconds(1_760_000_000_250) == 1_760_000_000.25
