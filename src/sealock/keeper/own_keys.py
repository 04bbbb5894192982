"""Where the keeper's keys lie, and how they get there when it becomes a user of its own.

At first they share the directory `keys` with the key that signs receipts. Whoever may write there could
exchange that key, and it belongs to who builds; so where the keeper or the website is a user of its own, the
keeper has a directory of its own instead, and what it had before is moved there once. From then on that is
the place, whoever starts it.
"""

from __future__ import annotations

from pathlib import Path

from sealock.core.errors import PermanentError
from sealock.core.files import make_private_directory, move_over
from sealock.core.own_user import let_pass

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
        # Where it was made on the way to the other, everybody may look into it.
        self._own.parent.chmod(0o700)
        for old in self.unsettled():
            self._move(old, self._own / old.name)
        if data in self._own.parents:
            let_pass(data)

    def unsettled(self) -> list[Path]:
        """The keeper's keys that lie in the shared directory still."""
        names = [*NAMES]
        if self._kek.parent == self._shared:
            names += [self._kek.name, f"{self._kek.name}.next"]
        return [old for old in (self._shared / name for name in names) if old.exists()]

    def _move(self, old: Path, new: Path) -> None:
        if new.exists():
            raise PermanentError(
                f"there is {old.name} in two places",
                details=f"{old} and {new}",
                resolution="A keeper that is a user of its own uses the latter. Find out which is right, and "
                "put the other away.",
            )
        move_over(old, new)
