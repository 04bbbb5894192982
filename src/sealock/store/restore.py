"""Brings an installation back from a backup, all of it or nothing.

    the file ──checked──▶ .restoring/ ──renamed──▶ logs, receipts, projects, sealed ──▶ the database

Everything is written beside its place first, and the last member says whether it was whole. Then the parts
get their names, and the database is filled in one transaction, last: what fails before that is undone. A
journal is there before the first part has its name. So whoever is asked again after a power cut finds it:
with the database filled the restore was done, and with it empty the parts are taken back, as long as nobody
has touched them.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from sqlalchemy import inspect

from sealock.core.backup import Kept, Told
from sealock.core.errors import PermanentError, UsageError
from sealock.core.files import flush_directory, make_private_directory, write_whole
from sealock.store.backup import Alone
from sealock.store.backup_archive import DATABASE, PARTS, ArchiveReader
from sealock.store.database.address import SqliteFile, place_of
from sealock.store.database.backup import restore
from sealock.store.database.engine import open_database

STAGING = ".restoring"
JOURNAL = "journal.json"


def read_backup(data: Path, database: str, file: Path, alone: Alone, told: Told) -> Kept:
    """As `core.backup.Backups.restore`. data: the data directory. database: the URL of an empty one."""
    try:
        with file.open("rb") as opened:
            reader, size = ArchiveReader(opened, file), os.fstat(opened.fileno()).st_size
            make_private_directory(data)
            with alone():
                return _restore(_Target(data, database), reader, size, told)
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {file}") from error
    except OSError as error:
        raise PermanentError(
            f"the backup {file} was not restored; nothing of it was kept", details=str(error)
        ) from error


def _restore(target: _Target, reader: ArchiveReader, size: int, told: Told) -> Kept:
    target.recover()
    target.refuse_what_is_there()
    try:
        files = target.stage(reader, told)
        has_database = (target.staging / DATABASE).exists()
        with target.placed([part for part in PARTS if files[part]]):
            rows = target.fill_database(told) if has_database else None
    finally:
        target.clear()
    return Kept(rows, files, size)


class _Target:
    """An installation that is to be filled."""

    def __init__(self, data: Path, database: str) -> None:
        self._data, self._database = data, database
        self.staging = data / STAGING

    def recover(self) -> None:
        """See to what a power cut left: go back to where nothing was restored, or see that all was."""
        try:
            journal = json.loads((self.staging / JOURNAL).read_bytes())
        except FileNotFoundError:
            self.clear()
            return
        if not (journal["database"] and asyncio.run(self._has_tables())):
            moved = [part for part in journal["parts"] if not (self.staging / part).exists()]
            for part in moved:
                if _sizes(self._data, part) != journal["files"][part]:
                    raise _touched(self._data / part)
            self._take_back(moved)
        self.clear()

    def refuse_what_is_there(self) -> None:
        """UsageError if there is something that a backup would take the place of."""
        for part in PARTS:
            if _entries(self._data / part):
                raise _is_there(self._data / part)
        if asyncio.run(self._has_tables()):
            raise _is_there(place_of(self._database, os.environ))

    def stage(self, reader: ArchiveReader, told: Told) -> dict[str, int]:
        """Write everything beside its place; how many files of each part."""
        counts = dict.fromkeys(PARTS, 0)
        make_private_directory(self.staging)
        for number, (name, content, size) in enumerate(reader.members(), 1):
            _write(self.staging, name, content, size)
            if name != DATABASE:
                counts[name.split("/")[0]] += 1
            told(f"{number} files checked")
        return counts

    @contextmanager
    def placed(self, parts: Sequence[str]) -> Iterator[None]:
        """Give the parts their names; take them back if the block fails."""
        sizes = {part: _sizes(self.staging, part) for part in parts}
        has_database = (self.staging / DATABASE).exists()
        journal = {"parts": list(parts), "files": sizes, "database": has_database}
        os.sync()  # the files, before anything says that they are there
        write_whole(self.staging / JOURNAL, json.dumps(journal).encode())
        moved: list[str] = []
        try:
            for part in parts:
                with suppress(FileNotFoundError):
                    (self._data / part).rmdir()
                (self.staging / part).rename(self._data / part)
                moved.append(part)
            flush_directory(self._data)
            yield
        except BaseException:
            self._take_back(moved)
            raise

    def fill_database(self, told: Told) -> dict[str, int]:
        """Fill it from what was staged. A file that was made for it goes again if that fails."""
        place = place_of(self._database, os.environ)
        new = isinstance(place, SqliteFile) and not place.path.exists()
        try:
            return asyncio.run(self._fill(told))
        except BaseException:
            if new and isinstance(place, SqliteFile):
                for suffix in ("", "-wal", "-shm", ".server"):
                    place.path.with_name(f"{place.path.name}{suffix}").unlink(missing_ok=True)
            raise

    def clear(self) -> None:
        """Remove what was staged. The journal goes first: without it there is nothing to take back."""
        (self.staging / JOURNAL).unlink(missing_ok=True)
        if self.staging.exists():
            shutil.rmtree(self.staging)

    def _take_back(self, parts: Sequence[str]) -> None:
        for part in reversed(parts):
            (self._data / part).rename(self.staging / part)
        flush_directory(self._data)

    async def _fill(self, told: Told) -> dict[str, int]:
        async with open_database(self._database) as database:
            return await restore(
                database, self.staging / DATABASE, lambda rows: told(f"database: {rows} rows")
            )

    async def _has_tables(self) -> bool:
        place = place_of(self._database, os.environ)
        if isinstance(place, SqliteFile) and not place.path.exists():
            return False
        async with open_database(self._database) as database, database.read() as connection:
            return bool(await connection.run_sync(lambda held: inspect(held).get_table_names()))


def _write(directory: Path, name: str, content: IO[bytes], size: int) -> None:
    path = directory / name
    for parent in reversed(path.relative_to(directory).parents):  # one by one, each for us alone
        make_private_directory(directory / parent)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        shutil.copyfileobj(content, file, 1024 * 1024)
        if file.tell() != size:
            raise PermanentError(
                "the backup is damaged; nothing of it was kept", details="It ends too early."
            )


def _sizes(directory: Path, part: str) -> Mapping[str, int]:
    """Every file of a part with its size."""
    return {
        str(path.relative_to(directory)): path.lstat().st_size
        for path in sorted((directory / part).rglob("*"))
        if not path.is_dir()
    }


def _entries(path: Path) -> bool:
    try:
        return any(path.iterdir())
    except FileNotFoundError:
        return False


def _is_there(place: object) -> UsageError:
    return UsageError(
        f"there is something in {place}",
        details="A backup takes the place of nothing.",
        resolution="Restore into a new data directory (`data_dir`) and a new database (`database`), or move "
        "away what is there.",
    )


def _touched(place: Path) -> PermanentError:
    return PermanentError(
        f"a restore was cut short, and {place} was changed since",
        details=f"What it had not placed yet lies in {place.parent / STAGING}.",
        resolution=f"Look at both. To begin again, move {place} and that directory away.",
    )
