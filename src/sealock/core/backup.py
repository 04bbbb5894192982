"""A backup of an installation: what its server keeps and what lies sealed, and never a key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

Told = Callable[[str], None]
"""Takes one short line about how far it is; often."""


@dataclass(frozen=True)
class Kept:
    """What a backup holds. rows: of each table; None if it has no database. files: of each part of the data
    directory. size: bytes of the backup."""

    rows: Mapping[str, int] | None
    files: Mapping[str, int]
    size: int


class Backups(Protocol):
    """Backs an installation up and brings it back. Not to be called where an event loop runs."""

    def backup(self, file: Path, told: Told) -> Kept:
        """Write everything to a new file of mode 0600, whole or not at all; servers may run meanwhile.

        UsageError if the file is there, there is nothing to back up, or keys are being rotated;
        PermanentError if something cannot be read or written; TemporaryError if the database does not
        answer."""
        ...

    def restore(self, file: Path, told: Told) -> Kept:
        """Bring everything back into an installation that has nothing of it yet: all or nothing. After a
        power cut, ask again.

        UsageError if something is there already, a server runs, or it is no backup of ours; PermanentError if
        it is damaged, or cannot be kept."""
        ...
