"""Writes a backup of an installation, beside servers that run: the database, and what lies sealed or signed
in the data directory. No key is in it: keys lie elsewhere, and only the parts that are named are taken.

The database goes first, as it is at one moment; then logs, then what is sealed. So for each build that the
database knows there is its log, and for each log its key, but for what was removed meanwhile. Keys are not
rotated meanwhile: what is sealed at the beginning and at the end would need different ones.
"""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO

from sealock import __version__
from sealock.core.backup import Kept, Told
from sealock.core.errors import PermanentError, UsageError
from sealock.core.files import flush_directory
from sealock.store.backup_archive import DATABASE, MARKS, MEMBER, PARTS, ArchiveWriter
from sealock.store.database.address import SqliteFile, place_of
from sealock.store.database.backup import backup
from sealock.store.database.engine import open_database

Alone = Callable[[], AbstractContextManager[None]]
"""While the block runs nobody rotates keys. UsageError if somebody does."""


def write_backup(data: Path, database: str | None, file: Path, alone: Alone, told: Told) -> Kept:
    """As `core.backup.Backups.backup`. data: the data directory. database: its URL, None if there is none."""
    if os.path.lexists(file):
        raise UsageError(f"{file} is there already", resolution="Name a file that is not.")
    names = {part: list(_names(data, part)) for part in PARTS}
    if database is None and not any(names.values()):
        raise UsageError(f"there is nothing to back up in {data}")
    archive, rows_file = (file.with_name(f".{file.name}.{os.getpid()}.{kind}") for kind in ("part", "rows"))
    try:
        with alone():
            rows = None if database is None else asyncio.run(_database(database, rows_file, told))
            with _new(archive) as made:
                files = _write(ArchiveWriter(made, _head()), data, rows_file if rows else None, told)
        size = archive.stat().st_size
        os.link(archive, file)  # unlike a rename, it takes no other file's place
        flush_directory(file.parent)
    except OSError as error:
        raise PermanentError(f"the backup {file} cannot be written", details=str(error)) from error
    finally:
        for each in (archive, rows_file):
            with suppress(FileNotFoundError):
                each.unlink()
    return Kept(rows, files, size)


def _head() -> dict[str, object]:
    return {"made_at": round(time.time() * 1000), "sealock": __version__}


async def _database(url: str, path: Path, told: Told) -> dict[str, int]:
    place = place_of(url, os.environ)
    if isinstance(place, SqliteFile) and not place.path.exists():
        raise UsageError(f"{place} is not there", resolution="Correct the setting `database`.")
    async with open_database(url, alone=False) as database:
        return await backup(database, path, lambda rows: told(f"database: {rows} rows"))


@contextmanager
def _new(path: Path) -> Iterator[IO[bytes]]:
    """A new file of mode 0600, on the disk when the block is left."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _write(archive: ArchiveWriter, data: Path, rows: Path | None, told: Told) -> dict[str, int]:
    if rows is not None:
        with rows.open("rb") as source:
            archive.add(DATABASE, source, rows.stat().st_size)
    counts = {}
    for part in PARTS:
        names, counts[part] = list(_names(data, part)), 0  # anew: the database took its time
        for number, name in enumerate(names, 1):
            counts[part] += _add(archive, data, name)
            told(f"{part}: {number} of {len(names)} files")
    archive.end()
    return counts


def _add(archive: ArchiveWriter, data: Path, name: str) -> bool:
    """Add a file as long as it is now: a log may grow meanwhile, and its beginning is a log too. False if it
    was removed since it was listed."""
    try:
        descriptor = os.open(data / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    with os.fdopen(descriptor, "rb") as source:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _strange(data / name)
        archive.add(name, source, found.st_size)
    return True


def _names(data: Path, part: str) -> Iterator[str]:
    """The files of a part, by their paths below the data directory, in order."""
    try:
        entries = sorted(os.scandir(data / part), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        name = f"{part}/{entry.name}"
        if entry.name.startswith(".") and entry.name != MARKS:
            continue  # a lock, or a file that is being written
        if entry.is_dir(follow_symlinks=False):
            yield from _names(data, name)
        elif MEMBER.fullmatch(name):
            yield name
        else:
            raise _strange(data / name)


def _strange(path: Path) -> PermanentError:
    return PermanentError(
        f"{path} is no file of ours, and nothing would know it again",
        resolution="Move it elsewhere, then back up again.",
    )
