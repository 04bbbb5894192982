"""Backups of the installation of this host (`core.backup.Backups`)."""

from __future__ import annotations

from pathlib import Path

from sealock.core.backup import Kept, Told
from sealock.store.backup import Alone, write_backup
from sealock.store.restore import read_backup


class InstallationBackups:
    """Over a data directory and a database."""

    def __init__(self, data: Path, database: str, *, has_database: bool, alone: Alone) -> None:
        """database: its URL, whether there is one or not. alone: keeps keys from being rotated."""
        self._data, self._database = data, database
        self._has_database, self._alone = has_database, alone

    def backup(self, file: Path, told: Told) -> Kept:
        """Write everything to a new file."""
        database = self._database if self._has_database else None
        return write_backup(self._data, database, file, self._alone, told)

    def restore(self, file: Path, told: Told) -> Kept:
        """Bring everything back."""
        return read_backup(self._data, self._database, file, self._alone, told)
