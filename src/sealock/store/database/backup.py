"""A backup: every row of every table, as lines of JSON in one compressed file, the same for both databases.

    {"format": "sealock backup", "version": 1, "revision": "0003", "made_at": …, "sealock": "0.1"}
    {"table": "accounts", "columns": ["id", …]}
    ["local", …]                                a row; bytes are {"base64": "…"}, JSON is {"json": …}
    {"end": {"accounts": 1, …}, "sha256": "…"}  rows of each table; the digest of all lines before

It is read from one state of the tables while servers go on writing. What lies in it is what lies in the
database: sealed or public. The digest finds damage; who can change the file can change the digest too.
A restore fills an empty database in one transaction. The tables are first made as they were when the
backup was taken, then brought up to date, so that an old backup goes into a new version.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Connection, MetaData, Table, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from sealock import __version__
from sealock.core.errors import PermanentError, UsageError
from sealock.core.files import flush_directory
from sealock.store.database.backup_reader import FORMAT, VERSION, BackupReader, damaged
from sealock.store.database.backup_rows import encode, insert_rows, restart_counters
from sealock.store.database.engine import Database
from sealock.store.database.migrations.run import HEAD, VERSION_TABLE, is_known, migrate, revision_of

TELL_EVERY = 1000
"""Rows of a table."""


async def backup(
    database: Database, path: Path, told: Callable[[int], None] = lambda _: None
) -> dict[str, int]:
    """Write all rows to a new file of mode 0600, whole or not at all; how many of each table. told: takes how
    many were written, now and then.

    UsageError if the file is there already or the database has no tables; PermanentError if it cannot be
    written.
    """
    if os.path.lexists(path):
        raise UsageError(f"{path} is there already", resolution="Name a file that is not.")
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        async with database.read() as connection:
            counts = await connection.run_sync(_write, beside, told)
        os.link(beside, path)  # unlike a rename, it takes no other file's place
        flush_directory(path.parent)
    except OSError as error:
        raise PermanentError(f"the backup {path} cannot be written", details=str(error)) from error
    finally:
        with suppress(FileNotFoundError):
            beside.unlink()
    return counts


def _write(connection: Connection, path: Path, told: Callable[[int], None]) -> dict[str, int]:
    revision = revision_of(connection)
    if revision is None:
        raise UsageError("the database has no tables yet", resolution="Start a server with it first.")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as packed:
            counts = _write_lines(connection, revision, packed, told)
        file.flush()
        os.fsync(descriptor)
    return counts


def _write_lines(
    connection: Connection, revision: str, file: gzip.GzipFile, told: Callable[[int], None]
) -> dict[str, int]:
    digest, counts = hashlib.sha256(), dict[str, int]()

    def line(value: object) -> None:
        data = json.dumps(value, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        digest.update(data)
        file.write(data)

    made_at = round(time.time() * 1000)
    head = {"format": FORMAT, "version": VERSION, "revision": revision}
    line({**head, "made_at": made_at, "sealock": __version__})
    for table in tables_of(connection):
        line({"table": table.name, "columns": [column.name for column in table.columns]})
        counts[table.name] = 0
        for row in _rows(connection, table):
            line([encode(column, value) for column, value in zip(table.columns, row, strict=True)])
            counts[table.name] += 1
            if counts[table.name] % TELL_EVERY == 0:
                told(sum(counts.values()))
    end = {"end": counts, "sha256": digest.hexdigest()}
    file.write(json.dumps(end).encode() + b"\n")
    return counts


def _rows(connection: Connection, table: Table) -> Iterator[tuple[Any, ...]]:
    """In the order of the key, so that two backups of the same rows are the same; a few at a time."""
    ordered = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=200)
    for row in connection.execute(ordered):
        yield tuple(row)


def tables_of(connection: Connection) -> list[Table]:
    """The tables there are, as the database itself describes them, what is referred to first."""
    found = MetaData()
    found.reflect(connection)
    tables = [table for table in found.sorted_tables if table.name != VERSION_TABLE]
    for kind in (column.type for table in tables for column in table.columns):
        if isinstance(kind, JSON):
            kind.none_as_null = True
    return tables


async def restore(
    database: Database, path: Path, told: Callable[[int], None] = lambda _: None
) -> dict[str, int]:
    """Fill an empty database with a backup and bring it up to date: all of it or nothing; how many rows of
    each table. told: takes how many were read, now and then.

    UsageError if the database is not empty, or the backup is no backup or of a newer Sealock; PermanentError
    if it is damaged or cannot be read.
    """
    try:
        with path.open("rb") as file, gzip.GzipFile(fileobj=file, mode="rb") as packed:
            async with database.write(schema=True) as connection:
                return await connection.run_sync(_fill, BackupReader(packed, path), path, told)
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(path, str(error)) from error


def _fill(
    connection: Connection, reader: BackupReader, path: Path, told: Callable[[int], None]
) -> dict[str, int]:
    if inspect(connection).get_table_names():
        raise UsageError(
            "the database is not empty",
            details="A backup takes the place of nothing.",
            resolution="Name a new file, or a new database of the server, in the database's URL.",
        )
    revision = reader.revision()
    if not is_known(revision):
        raise UsageError(
            f"the backup {path} was made by a newer version of Sealock",
            details=f"Its tables are at {revision!r:.40}, which this version does not know.",
            resolution="Install that version, or a newer one, and restore it with that.",
        )
    migrate(connection, revision)
    tables = {table.name: table for table in tables_of(connection)}
    for table in reversed(tables.values()):
        connection.execute(table.delete())  # what the migrations put there
    try:
        counts = insert_rows(connection, reader, tables, told)
    except SQLAlchemyError as error:
        why = getattr(error, "orig", None) or error
        raise damaged(path, f"A row does not fit its table: {type(why).__name__}.") from error
    if set(counts) != set(tables):
        raise damaged(path, "A table is missing.")
    restart_counters(connection, tables.values())
    migrate(connection, HEAD)
    return counts
