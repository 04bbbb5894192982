"""What a database can fail with, put into words of ours: who must act, and whether trying again helps.

A password never stands in what a driver says, and SQLAlchemy's own text, with the statement and its
values, is left out: a value may be a customer's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import (
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    InterfaceError,
    OperationalError,
)
from sqlalchemy.exc import (
    TimeoutError as PoolTimeout,
)

from sealock.core.errors import PermanentError, SealockError, TemporaryError, UsageError

_NEEDS_SOMEBODY = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)

_NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})
"""The disk is full. It passes, as PostgreSQL's state for it does: once there is room, all goes on."""

_PASSING = frozenset({"08", "40", "53", "55", "57", "58"})
"""Classes of PostgreSQL's states that pass: connection, conflict, no room, not ready, cut off, its system."""

READ_ONLY = "25006"
"""The server became a replica meanwhile; another one is, or will be, the one to write to."""


@contextmanager
def in_our_words(place: object) -> Iterator[None]:
    """TemporaryError or PermanentError for what the driver raises while the database `place` is used. What
    a caller can judge better, such as a value that is there already (IntegrityError), passes."""
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, DisconnectionError, PoolTimeout) as error:
        found = failure(error, place)
        if found is None:
            raise
        raise found from error


def failure(error: Exception, place: object) -> SealockError | None:
    """The error of ours that says this; None if it is a mistake in a statement of ours."""
    if isinstance(error, DBAPIError) and isinstance(error.orig, sqlite3.Error):
        return _of_sqlite(error.orig, place)
    if isinstance(error, DisconnectionError | PoolTimeout | OSError) or _passes(error):
        return TemporaryError(
            f"{place} did not answer as it should",
            details=_told(error),
            resolution="It is tried again with the next request. See that the server runs.",
        )
    return None


def _passes(error: Exception) -> bool:
    """Whether PostgreSQL, or the way to it, may do better with the next try."""
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is None:  # it is not the server that speaks: the connection broke, or was never made
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return error.connection_invalidated or state[:2] in _PASSING or state == READ_ONLY


def _of_sqlite(error: sqlite3.Error, place: object) -> SealockError | None:
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF
    if code in _NO_ROOM or extended in _NO_ROOM:
        return TemporaryError(
            f"{place} has no room",
            details=str(error),
            resolution="Make room on its disk; nothing has to be restarted.",
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL):
        return TemporaryError(f"{place} is held by somebody else", details=str(error))
    if code in _NEEDS_SOMEBODY:
        return PermanentError(
            f"{place} cannot be read or written",
            details=str(error),
            resolution="See to the disk and the file's owner; restore a backup if the file is damaged.",
        )
    return None


def _told(error: Exception) -> str:
    told = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return str(told).strip()


_AT_START = (
    (
        ("password authentication failed", "no password supplied", "28P01"),
        "refuses our password",
        "Correct the user or the password in the database's URL.",
    ),
    (
        ("certificate verify failed", "does not match host name", "root certificate"),
        "shows a certificate that is not its own",
        "Somebody may be posing as the database. If not: name its certificate authority by `sslrootcert`, "
        "and the host as its certificate does.",
    ),
    (
        ("does not support SSL",),
        "does not speak TLS, and what is not encrypted is not used",
        "Turn on `ssl` in the server's configuration, with a certificate for its host name.",
    ),
    (
        ("does not exist", "no pg_hba.conf entry", "permission denied"),
        "does not let us in",
        "Create the user and the database, and allow them in the server's `pg_hba.conf`.",
    ),
)


def failure_at_start(error: Exception, place: object) -> SealockError:
    """Why the first connection failed: a UsageError where the setting is wrong, a TemporaryError where
    nobody answered."""
    told = _told(error)
    for signs, what, resolution in _AT_START:
        if any(sign in told for sign in signs):
            return UsageError(f"{place} {what}", details=told, resolution=resolution)
    return TemporaryError(
        f"{place} cannot be reached",
        details=told,
        resolution="See that the server runs and the host and port in the database's URL are right.",
    )
