"""Where the keeper's keys lie, and how they get there when it becomes a user of its own.

At first they share the directory `keys` with the key that signs receipts. Whoever may write there could
exchange that key, and it belongs to who builds; so a keeper that is another user has a directory of its own
instead, and what it had before is moved there once. From then on that is the place, whoever starts it.
"""

from __future__ import annotations

from pathlib import Path

from sealock.core.errors import PermanentError
from sealock.core.files import make_private_directory, move_over

PASSING = 0o001
"""The right of everybody to pass through a directory, and no more: not to see what is in it."""

NAMES = ("sets", "rotation.json", "passphrase-keys")


class KeyPlaces:
    """shared: the directory of all keys of an installation. own: the keeper's alone. kek: the file of the
    key-encryption key, by the settings."""

    def __init__(self, shared: Path, own: Path, kek: Path) -> None:
        self._shared = shared
        self._own = own
        self._kek = kek

    @property
    def directory(self) -> Path:
        """Where the keeper's keys are."""
        return self._own if self._own.exists() else self._shared

    @property
    def kek(self) -> Path:
        """The key-encryption key, which goes with the others unless it was put somewhere else."""
        return self.directory / self._kek.name if self._kek.parent == self._shared else self._kek

    def settle(self, data: Path) -> None:
        """As root, before the user changes: have the keys in a directory that can be handed over, or was.
        data: the data directory, which everybody may pass through then if the keeper's is inside.
        PermanentError if there are keys in both places."""
        if self._own.is_symlink():
            raise PermanentError(
                f"{self._own} is a link", resolution="Put the keeper's keys there themselves."
            )
        if not self._own.exists():
            make_private_directory(self._own)
        names = [*NAMES]
        if self._kek.parent == self._shared:
            names += [self._kek.name, f"{self._kek.name}.next"]
        for old in (self._shared / name for name in names):
            if old.exists():
                self._move(old, self._own / old.name)
        if data in self._own.parents:
            data.chmod(data.stat().st_mode & 0o7777 | PASSING)

    def _move(self, old: Path, new: Path) -> None:
        if new.exists():
            raise PermanentError(
                f"there is {old.name} in two places",
                details=f"{old} and {new}",
                resolution="A keeper that is a user of its own uses the latter. Find out which is right, and "
                "put the other away.",
            )
        move_over(old, new)
