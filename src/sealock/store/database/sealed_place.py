"""The database as a place where sealed values lie: projects' keys (`core.sealed.SealedPlace`).

Rotation visits it beside running servers. That goes through the files of sealed values one after the other
and waits for each, as this does; so it has connections of its own, which wait too, and no event loop. Each
call is one transaction.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from sqlalchemy import Connection, Engine, inspect, select, update
from sqlalchemy.exc import SQLAlchemyError

from sealock.core.errors import UsageError
from sealock.core.sealed import Owner, Sealed
from sealock.store.database.address import PostgresServer, SqliteFile, place_of
from sealock.store.database.failures import failure_at_start, in_our_words
from sealock.store.database.postgres import waiting_postgres_engine
from sealock.store.database.projects import key_values, project_of
from sealock.store.database.retired import hold_owner, move_mark, refuse_retired
from sealock.store.database.sqlite import WRITES, make_file, refuse_shared_filesystem, waiting_sqlite_engine
from sealock.store.database.tables import projects


class DatabaseSealedPlace:
    """Whoever makes it says that there is a database. UsageError from each call if there is none: a
    rotation that passed it over would destroy the keys that its values need."""

    def __init__(self, url: str) -> None:
        """url: as for `open_database`; the database is looked for when it is first asked."""
        self._place = place_of(url, os.environ)

    def sealed_of(self, owner: Owner) -> Iterator[Sealed]:
        """The key of the owner's project."""
        with self._transaction() as connection:
            found = connection.execute(select(projects).where(projects.c.id == owner.project)).all()
        keys = (project_of(row).sealed_key for row in found)
        yield from (key for key in keys if isinstance(key, Sealed) and key.name.owner == owner)

    def reseal(self, old: Sealed, new: Sealed) -> bool:
        """Put `new` in the place of exactly `old`; False if that is not there any more. RetiredKey if the
        new one's key was replaced meanwhile, too."""
        if new.name != old.name:
            raise ValueError("a value is resealed under its own name only")
        mine = projects.c.id == old.name.project
        with self._transaction(writes=True) as connection:
            row = connection.execute(select(projects).where(mine).with_for_update()).one_or_none()
            if row is None or project_of(row).sealed_key != old:
                return False
            refuse_retired(connection, new)
            connection.execute(update(projects).where(mine).values(key_values(new)))
        return True

    def retire(self, owner: Owner, below: int) -> bool:
        """From now on refuse a key sealed to a version below `below`; False while such a one lies here."""
        older = select(projects.c.id).where(
            projects.c.id == owner.project, projects.c.key_set_version < below
        )
        with self._transaction(writes=True) as connection:
            hold_owner(connection, owner)
            if connection.execute(older).first() is not None:
                return False
            move_mark(connection, owner, below)
        return True

    def forget_owner(self, owner: Owner) -> None:
        """Nothing: a project that is removed goes as a whole, its key and its mark with it."""

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[Connection]:
        engine = self._engine
        with in_our_words(self._place), engine.connect() as connection:
            connection.execution_options(**{WRITES: writes})
            with connection.begin():
                yield connection

    @cached_property
    def _engine(self) -> Engine:
        if isinstance(self._place, SqliteFile):
            engine = _sqlite(self._place)
        else:
            engine = waiting_postgres_engine(self._place)
        weakref.finalize(self, engine.dispose)
        _see_its_tables(engine, self._place)
        return engine


def _sqlite(place: SqliteFile) -> Engine:
    if not place.path.exists():
        raise _missing(place)
    refuse_shared_filesystem(place.path)
    make_file(place.path)  # it is there: this says whether it is ours alone
    return waiting_sqlite_engine(place.path)


def _see_its_tables(engine: Engine, place: SqliteFile | PostgresServer) -> None:
    try:
        there = inspect(engine).has_table(projects.name)
    except SQLAlchemyError as error:
        if isinstance(place, SqliteFile):
            with in_our_words(place):
                raise
        raise failure_at_start(error, place) from error
    if not there:
        raise _missing(place)


def _missing(place: SqliteFile | PostgresServer) -> UsageError:
    return UsageError(
        f"{place} is not there, or has no tables",
        details="The keys of its projects would be lost if keys were rotated without it.",
        resolution="Correct the setting `database`, or make it with `sealock up` if it never was.",
    )
