"""Where rotation stands, in one small file: what is under way, and how many rotations there have been.

The number (the generation) is written before anything else of a rotation happens, and every key is marked
with the one it was made in. So after a crash each key tells by itself whether it was done already.
"""

from __future__ import annotations

import time
from pathlib import Path

from sealock.core.errors import PermanentError
from sealock.core.files import make_private_directory, write_whole
from sealock.core.keyring import Level
from sealock.keeper.records import JournalRecord, parse, write

LONGEST_FILE = 16 * 1024


class Journal:
    """The journal in the file `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> JournalRecord:
        """What it says; nothing has ever been rotated if there is no file."""
        try:
            with self._path.open("rb") as file:
                return parse(JournalRecord, file.read(LONGEST_FILE), str(self._path))
        except FileNotFoundError:
            return JournalRecord()

    def generation(self) -> int:
        """How many rotations have begun."""
        return self.read().generation

    def begin(self, level: Level, before: str) -> JournalRecord:
        """A rotation of `level` begins, unless one is under way; returns the one that is. before: the key
        the back end had."""
        now = self.read()
        if now.level is None:
            now = now.model_copy(update={"generation": now.generation + 1, "level": level, "before": before})
            self._write(now)
        return now

    def end(self) -> None:
        """The rotation under way is done."""
        now = self.read()
        self._write(
            now.model_copy(update={"level": None, "before": None, f"{now.level}_rotated_at": time.time()})
        )

    def _write(self, record: JournalRecord) -> None:
        make_private_directory(self._path.parent)
        try:
            write_whole(self._path, write(record))
        except OSError as error:
            raise PermanentError(f"cannot write {self._path}", details=str(error)) from error
