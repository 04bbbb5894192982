"""A database in a file: made for us alone, on a disk of this host, used by one server at a time.

SQLite's locks and its shared memory work within one host. On a network file system two hosts would both
believe they hold them, and the file would be damaged without an error; so such a place is refused.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from sealock.core.errors import PermanentError, UsageError
from sealock.core.files import make_private_directory
from sealock.core.mounts import filesystem_of

WRITES = "sealock_writes"
"""Execution option of a connection that takes the write lock when its transaction begins."""

BUSY_SECONDS = 30
"""How long a writer waits for another process, such as a backup that is being restored."""

SHARED = frozenset(
    {
        *("9p", "afs", "beegfs", "ceph", "cifs", "coda", "glusterfs", "gfs2", "gpfs", "lustre", "ncpfs"),
        *("nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs"),
        *("vmhgfs", "wekafs"),
    }
)
"""File systems whose files other hosts may have open too."""

LOCAL_FUSE = frozenset({"fuse.fuse-overlayfs"})


def refuse_shared_filesystem(path: Path, mounts: str | None = None) -> None:
    """UsageError if `path` lies, or would lie, where other hosts could open it too. Of FUSE, which says
    nothing about itself, only what is known to be local is taken. mounts: as for `filesystem_of`."""
    kind = filesystem_of(path, mounts)
    fuse = kind == "fuse" or kind.startswith("fuse.")
    if kind in SHARED or (fuse and kind not in LOCAL_FUSE):
        raise UsageError(
            f"{path} lies on a file system that other hosts may use too ({kind})",
            details="SQLite's locks do not reach from host to host: the file would be damaged.",
            resolution="Keep it on a local disk, or use PostgreSQL (`postgresql://…`).",
        )


@contextmanager
def only_server(path: Path) -> Iterator[None]:
    """Hold the file `path` as its only server. UsageError if there is one already. The kernel lets go when
    the process ends, however it ends."""
    # A file of its own: closing any descriptor of the database itself would drop SQLite's locks on it.
    lock = path.with_name(f"{path.name}.server")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"another server is using the database {path}",
                details=f"It holds the lock {lock}.",
                resolution="Stop that one first. Several servers at once need PostgreSQL.",
            ) from error
        yield
    finally:
        os.close(descriptor)


def make_file(path: Path) -> None:
    """Make the file for us alone if it is not there. PermanentError if it cannot be made there, or others
    may read or change it."""
    make_private_directory(path.parent)
    try:
        _create(path)
        found = path.lstat()
    except OSError as error:
        raise PermanentError(f"the database {path} cannot be opened", details=str(error)) from error
    if not stat.S_ISREG(found.st_mode):
        raise PermanentError(f"the database {path} is a link, or no regular file")
    if found.st_mode & 0o077:
        raise PermanentError(
            f"others may read or change the database {path}",
            details=f"owner {found.st_uid}, mode {found.st_mode & 0o7777:04o}",
            resolution=f"chmod 0600 {path}",
        )


def _create(path: Path) -> None:
    """One that is there is not opened: when this process has it open, closing another descriptor of it would
    drop SQLite's locks, and the file would be damaged."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


class _EndsItsTransaction(sqlite3.Connection):
    """A request that is cancelled in the middle of a statement leaves a cursor to its exception's traceback,
    and SQLite keeps a connection with a cursor open after it is closed, its lock on the file with it. So it
    is rolled back first."""

    def close(self) -> None:
        """Roll back, then close; again if need be."""
        with suppress(sqlite3.ProgrammingError):  # it is closed
            self.rollback()
        super().close()


def sqlite_engine(path: Path) -> AsyncEngine:
    """An engine for the file, whose transactions are begun by SQLite itself and not when Python thinks so."""
    url = URL.create("sqlite+aiosqlite", database=str(path))
    engine = create_async_engine(url, connect_args=_arguments(), hide_parameters=True)
    _listen(engine.sync_engine)
    return engine


def waiting_sqlite_engine(path: Path) -> Engine:
    """The same for whoever has no event loop: its calls wait."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args=_arguments(),
        pool_size=1,
        hide_parameters=True,
    )
    _listen(engine)
    return engine


def _arguments() -> dict[str, Any]:
    return {"timeout": BUSY_SECONDS, "factory": _EndsItsTransaction}


def _listen(engine: Engine) -> None:
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        # A commit is on the disk when it returns: a receipt or a delivery that was acknowledged must not
        # be gone after a power cut. NORMAL would be faster and lose the last ones.
        "synchronous = FULL",
        "foreign_keys = ON",
        "trusted_schema = OFF",
        "secure_delete = ON",  # what was destroyed is overwritten
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later would find the file changed, and fail.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
