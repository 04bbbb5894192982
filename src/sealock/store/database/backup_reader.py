"""Reads a backup line by line, and believes none of it before its shape is right. Only the last line says
whether it was whole; so whoever reads commits nothing before that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from gzip import GzipFile
from pathlib import Path
from typing import Any, TypeGuard

from sealock.core.errors import PermanentError, UsageError

FORMAT = "sealock backup"
VERSION = 1
LONGEST_LINE = 64 * 1024 * 1024
"""Bytes. A receipt of the longest kind is eleven million."""


def damaged(path: Path, details: str) -> PermanentError:
    """The backup is not as it was written."""
    return PermanentError(
        f"the backup {path} is damaged; nothing of it was kept",
        details=details,
        resolution="Use another copy of it.",
    )


class BackupReader:
    """One backup. `revision` first, then `tables` once to its end."""

    def __init__(self, file: GzipFile, path: Path) -> None:
        self._file, self._path = file, path
        self._digest = hashlib.sha256()
        self._next: Any = None

    def revision(self) -> str:
        """What the tables were at. UsageError if this is no backup of ours, or a newer Sealock's."""
        try:
            head = self._read()
        except PermanentError as error:
            raise UsageError(f"{self._path} is no backup of Sealock", details=error.details) from error
        if not isinstance(head, dict) or head.get("format") != FORMAT:
            raise UsageError(f"{self._path} is no backup of Sealock")
        revision = head.get("revision")
        if head.get("version") != VERSION or not isinstance(revision, str):
            raise UsageError(
                f"the backup {self._path} is of another version of Sealock",
                details=f"Its format is {head.get('version')!r:.20}, this version reads {VERSION}.",
                resolution="Restore it with the version that made it, or a newer one.",
            )
        return revision

    def tables(self) -> Iterator[tuple[str, list[str], Iterator[list[Any]]]]:
        """Each table's name, columns and rows, to be read in this order. PermanentError if the backup turns
        out to be damaged, at the latest at its end."""
        counts: dict[str, int] = {}
        self._next = self._read()
        while isinstance(self._next, dict) and "table" in self._next:
            name, columns = self._next["table"], self._next.get("columns")
            if not isinstance(name, str) or name in counts or not _are_names(columns):
                raise damaged(self._path, "A table's heading is out of shape.")
            counts[name] = 0
            yield name, columns, self._rows(name, counts)
        self._check_end(counts)

    def _rows(self, name: str, counts: dict[str, int]) -> Iterator[list[Any]]:
        self._next = self._read()
        while isinstance(self._next, list):
            counts[name] += 1
            yield self._next
            self._next = self._read()

    def _check_end(self, counts: dict[str, int]) -> None:
        if not isinstance(self._next, dict) or self._next.get("end") != counts:
            raise damaged(self._path, "It does not end with the number of its rows.")
        if self._next.get("sha256") != self._before:
            raise damaged(self._path, "Its digest is another one.")
        if self._file.read(1):
            raise damaged(self._path, "Something follows its end.")

    def _read(self) -> Any:
        line = self._file.readline(LONGEST_LINE + 1)
        self._before = self._digest.hexdigest()
        if not line.endswith(b"\n"):
            early = len(line) <= LONGEST_LINE
            raise damaged(self._path, "It ends too early." if early else "A line is too long.")
        self._digest.update(line)
        try:
            return json.loads(line)
        except (ValueError, RecursionError) as error:
            raise damaged(self._path, "A line is not JSON.") from error


def _are_names(columns: object) -> TypeGuard[list[str]]:
    return isinstance(columns, list) and all(isinstance(name, str) for name in columns)
