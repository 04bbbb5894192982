"""Rows between tables and the lines of a backup."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Integer,
    LargeBinary,
    String,
    Table,
    func,
    select,
    text,
)

from sealock.core import base64_text
from sealock.core.errors import PermanentError
from sealock.store.database.backup_reader import BackupReader

ROWS_AT_ONCE = 200


def encode(column: Column[Any], value: Any) -> Any:
    """A value as it stands in a line."""
    if value is None:
        return value
    if isinstance(column.type, LargeBinary):
        return {"base64": base64_text.encode(value)}
    return {"json": value} if isinstance(column.type, JSON) else value


def decode(column: Column[Any], value: Any) -> Any:
    """The value of a line. ValueError if it is not of the column's type; SQLite would keep it."""
    kind = column.type
    if value is None:
        return None
    if isinstance(kind, LargeBinary | JSON):
        key = "base64" if isinstance(kind, LargeBinary) else "json"
        if not isinstance(value, dict) or set(value) != {key}:
            raise ValueError(f"{column}: not a {key} value")
        return base64_text.decode(value[key]) if key == "base64" else value[key]
    for types, python in ((Boolean, bool), (Integer, int), (String, str)):
        if isinstance(kind, types):
            if type(value) is not python:
                raise ValueError(f"{column}: not {python.__name__}")
            return value
    raise ValueError(f"{column}: a type no table of ours has")


def insert_rows(
    connection: Connection, reader: BackupReader, tables: Mapping[str, Table], told: Callable[[int], None]
) -> dict[str, int]:
    """Put all rows of a backup into their tables; how many of each. told: takes how many so far.
    PermanentError if one does not fit."""
    counts: dict[str, int] = {}
    for name, columns, rows in reader.tables():
        table = tables.get(name)
        if table is None or columns != [column.name for column in table.columns]:
            raise _unfit(f"There is no table {name[:63]!r} with these columns.")
        counts[name] = 0
        while values := _decoded(table, islice(rows, ROWS_AT_ONCE)):
            connection.execute(table.insert(), values)
            counts[name] += len(values)
            told(sum(counts.values()))
    return counts


def _decoded(table: Table, rows: Iterator[list[Any]]) -> list[dict[str, Any]]:
    try:
        return [
            {column.name: decode(column, value) for column, value in zip(table.columns, row, strict=True)}
            for row in rows
        ]
    except (ValueError, TypeError) as error:
        raise _unfit(str(error)[:200]) from error


def _unfit(details: str) -> PermanentError:
    return PermanentError(
        "the backup does not fit the tables it says it is of; nothing of it was kept",
        details=details,
        resolution="Use another copy of it.",
    )


def restart_counters(connection: Connection, tables: Iterable[Table]) -> None:
    """Let PostgreSQL count on from the highest number that was put in; SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        for column in table.primary_key.columns:
            sequence = connection.scalar(
                text("SELECT pg_get_serial_sequence(:table, :column)"),
                {"table": table.name, "column": column.name},
            )
            highest = connection.scalar(select(func.max(column))) if sequence else None
            if highest is not None:
                connection.execute(
                    text("SELECT setval(CAST(:sequence AS regclass), :highest)"),
                    {"sequence": sequence, "highest": highest},
                )
