"""Key sets in a directory of the keeper's own, one file for each owner, whole or not at all.

They are not in the store: a backup of the database must not hold the keys to what is in it. An owner whose
keys were destroyed leaves a mark that outlives the file, so that neither a crash half-way nor an old
backup brings them back.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sealock.core.errors import PermanentError
from sealock.core.files import make_private_directory, remove_whole, write_whole
from sealock.core.sealed import OWNER_ID, Owner
from sealock.keeper.records import KeySetRecord, parse, write

LONGEST_FILE = 4 * 1024 * 1024
SET, DESTROYED = ".json", ".destroyed"


class KeySetFiles:
    """Key sets in `directory`, which is made when the first is kept."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One at a time changes key sets, or wraps anything; the kernel lets go if its process ends."""
        make_private_directory(self.directory)
        descriptor = os.open(self.directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def load(self, owner: Owner) -> KeySetRecord | None:
        """The owner's key set. None if there is none, or it was destroyed."""
        path = self._path(owner, SET)
        if self.is_destroyed(owner):
            return None
        try:
            with path.open("rb") as file:
                record = parse(KeySetRecord, file.read(LONGEST_FILE), str(path))
        except FileNotFoundError:
            return None
        if Owner(record.owner.account, record.owner.project) != owner:
            raise PermanentError(f"{path} holds another owner's key set", resolution="Put it back.")
        return record

    def save(self, record: KeySetRecord) -> None:
        """Keep a key set in the place of what was there. Call it with the lock held."""
        path = self._path(Owner(record.owner.account, record.owner.project), SET)
        try:
            write_whole(path, write(record))
        except OSError as error:
            raise PermanentError(f"the key set {path} cannot be kept", details=str(error)) from error

    def owners(self) -> list[Owner]:
        """Everybody who has a key set, sorted."""
        return [owner for owner in self._all(SET) if not self.is_destroyed(owner)]

    def destroyed(self) -> list[Owner]:
        """Everybody whose keys were destroyed, sorted."""
        return self._all(DESTROYED)

    def is_destroyed(self, owner: Owner) -> bool:
        """Whether the owner's keys, or those of the account it belongs to, were destroyed."""
        account = Owner(owner.account)
        return self._path(owner, DESTROYED).exists() or self._path(account, DESTROYED).exists()

    def destroy(self, owner: Owner) -> None:
        """Destroy the owner's keys; an account's with those of all its projects. Call it with the lock
        held. May be called again."""
        try:
            write_whole(self._path(owner, DESTROYED), b"")  # first: from here on nothing opens
        except OSError as error:
            raise PermanentError(f"the keys of {owner} cannot be destroyed", details=str(error)) from error
        for each in self._all(SET):
            if self.is_destroyed(each):
                remove_whole(self._path(each, SET))

    def _all(self, suffix: str) -> list[Owner]:
        try:
            names = [entry.name for entry in self.directory.iterdir() if entry.name.endswith(suffix)]
        except FileNotFoundError:
            return []
        parts = (name.removesuffix(suffix).split(".") for name in sorted(names))
        return [Owner(*part) for part in parts if len(part) <= 2 and all(map(OWNER_ID.fullmatch, part))]

    def _path(self, owner: Owner, suffix: str) -> Path:
        # An id holds no dot, so no two owners have the same name.
        name = owner.account if owner.project is None else f"{owner.account}.{owner.project}"
        return self.directory / f"{name}{suffix}"
