"""The key-encryption key in a file, readable by its owner alone.

While it is rotated there are two: the new one lies beside the old as `NAME.next` and wraps everything from
the moment it is there. Ending the rotation gives it the old one's name, in one step: there is no moment
without a key, and none with two keys of one name.
"""

from __future__ import annotations

from pathlib import Path

from sealock.core.errors import PermanentError
from sealock.core.files import move_over
from sealock.core.secret import Secret
from sealock.keeper.backends import aead
from sealock.keeper.backends.port import BackendStatus, Wrapped
from sealock.keeper.backends.proof import prove
from sealock.keeper.kek import FileKek

PURPOSE = "wrap key sets"


class FileBackend:
    """A key-encryption key in a file (`keeper.backends.port.Backend`)."""

    name = "file"

    def __init__(self, path: Path) -> None:
        """path: the key's file, made when it is first needed and there is none."""
        self._path = path
        self._next = path.with_name(f"{path.name}.next")

    def current(self) -> str:
        """`file:` and the id of the key."""
        return _id(self._current())

    def holds(self, key: str) -> bool:
        """Whether it is the id of a key in a file."""
        return key.startswith("file:")

    def wrap(self, value: Secret, associated: bytes) -> Wrapped:
        """Wrap with the newest key."""
        kek = self._current()
        with kek.subkey(PURPOSE) as subkey:
            return Wrapped(_id(kek), aead.encrypt(subkey, value, associated))

    def unwrap(self, wrapped: Wrapped, associated: bytes) -> Secret:
        """The secret again, with whichever of the two keys wrapped it. A rotation that ends meanwhile gives
        the new one the other's name, where it is looked for once more."""
        try:
            return self._unwrap(wrapped, associated)
        except PermanentError:
            if self._next.exists():
                raise
        return self._unwrap(wrapped, associated)

    def _unwrap(self, wrapped: Wrapped, associated: bytes) -> Secret:
        with self._find(wrapped.key).subkey(PURPOSE) as subkey:
            return aead.decrypt(subkey, wrapped.data, associated)

    def begin_rotation(self, before: str) -> str:
        """Put a new key beside the old one."""
        if self.current() == before:
            FileKek.load_or_create(self._next)
        return self.current()

    def end_rotation(self, keep: str) -> str:
        """Give the new key the name of the old one, which is gone with that."""
        if self._next.exists():
            if _id(FileKek(self._next)) != keep:
                raise PermanentError(
                    f"{self._next} is not the key that this rotation made",
                    resolution="Somebody changed it. Put it back from its backup and rotate again.",
                )
            move_over(self._next, self._path)
        return "The old key-encryption key was removed; copies of its file and old backups of it remain."

    def status(self) -> BackendStatus:
        """Both keys, if there are two."""
        works = prove(self)
        notes = ["a rotation is not finished: there are two keys"] if self._next.exists() else []
        return BackendStatus(self.name, self.current() if works else "", works, tuple(notes))

    def close(self) -> None:
        """Nothing is open."""

    def _current(self) -> FileKek:
        return FileKek(self._next) if self._next.exists() else FileKek.load_or_create(self._path)

    def _find(self, key: str) -> FileKek:
        # Twice: between the two looks of the first time a rotation may have ended.
        for path in (self._path, self._next, self._path):
            if path.exists() or path.is_symlink():
                kek = FileKek(path)
                if _id(kek) == key:
                    return kek
        raise PermanentError(
            "a key set is wrapped by a key-encryption key that is not there",
            details=f"It is wrapped by {key[:100]!r}, which is not the key in {self._path}.",
            resolution="Put that key's file back. If it is lost, `sealock keys restore` brings key sets back "
            "from their backup.",
        )


def _id(kek: FileKek) -> str:
    return f"file:{kek.id}"
