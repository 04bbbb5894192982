"""Which versions of an owner's keys are not sealed to any more: one small file an owner.

Between the moment somebody asks for a public key and the moment the sealed value arrives here, that key
may have been rotated away. Without this mark such a value would be kept, and could never be opened.
"""

from __future__ import annotations

from pathlib import Path

from sealock.core.errors import PermanentError
from sealock.core.files import make_private_directory, write_whole
from sealock.core.sealed import Owner, RetiredKey, Sealed


class RetiredKeys:
    """The marks in `directory`. Whoever uses them holds a lock of its own over check and write."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def below(self, owner: Owner) -> int:
        """The oldest version that may be sealed to."""
        path = self._path(owner)
        try:
            text = path.read_text(encoding="ascii")
            return int(text)
        except FileNotFoundError:
            return 1
        except ValueError as error:
            raise PermanentError(
                f"{path} does not hold a number", resolution="Restore it from its backup."
            ) from error

    def refuse(self, sealed: Sealed) -> None:
        """RetiredKey if the value is sealed to a version that is not used any more."""
        if sealed.key_version < self.below(sealed.name.owner):
            raise RetiredKey

    def retire(self, owner: Owner, below: int) -> None:
        """Refuse versions below `below` from now on."""
        if below <= self.below(owner):
            return
        try:
            make_private_directory(self._directory)
            write_whole(self._path(owner), str(below).encode())
        except OSError as error:
            raise PermanentError(f"cannot write in {self._directory}", details=str(error)) from error

    def _path(self, owner: Owner) -> Path:
        return self._directory / f"{owner.account}.{owner.project or ''}"
