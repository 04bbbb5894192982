"""Which versions of an owner's keys are not sealed to any more, in the database (as `store.retired`).

Whoever keeps something sealed looks at the mark in its own transaction, and whoever moves the mark must not
miss what others are about to keep. On SQLite there is one writer at a time. On PostgreSQL the two hold a
lock for the owner until they commit: shared by those who keep, alone for who moves the mark.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, text

from sealock.core.sealed import Owner, RetiredKey, Sealed
from sealock.store.database.kept_tables import retired_keys

_LOCK = 0x5EA1
"""The first half of PostgreSQL's advisory locks of owners; the second is the owner's name, hashed."""


def refuse_retired(connection: Connection, sealed: Sealed) -> None:
    """RetiredKey if the value is sealed to a version that is not used any more; else nobody moves the mark
    before this transaction is over. It must be one that writes."""
    owner = sealed.name.owner
    _hold(connection, owner, "pg_advisory_xact_lock_shared")
    mark = _mark(connection, owner)
    if mark is not None and sealed.key_version < mark:
        raise RetiredKey


def hold_owner(connection: Connection, owner: Owner) -> None:
    """Until this transaction is over nobody keeps anything sealed to the owner; what was kept is seen."""
    _hold(connection, owner, "pg_advisory_xact_lock")


def move_mark(connection: Connection, owner: Owner, below: int) -> None:
    """Refuse versions below `below` from now on. The owner is held."""
    mark = _mark(connection, owner)
    if mark is not None and below <= mark:
        return
    row = {"account": owner.account, "project": owner.project or ""}
    connection.execute(delete(retired_keys).filter_by(**row))
    connection.execute(insert(retired_keys).values(**row, below=below))


def _mark(connection: Connection, owner: Owner) -> int | None:
    of_owner = {"account": owner.account, "project": owner.project or ""}
    found: int | None = connection.scalar(select(retired_keys.c.below).filter_by(**of_owner))
    return found


def _hold(connection: Connection, owner: Owner, how: str) -> None:
    if connection.dialect.name == "postgresql":
        statement = text(f"SELECT {how}(:lock, hashtext(:owner))")
        connection.execute(statement, {"lock": _LOCK, "owner": f"{owner.account}/{owner.project or ''}"})
