"""What the tests of backups share."""

from __future__ import annotations

from tests.support.backups import empty, full, its_backup, one, taken

__all__ = ["empty", "full", "its_backup", "one", "taken"]
