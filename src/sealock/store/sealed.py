"""Sealed values in files, one for each version: `ACCOUNT/PROJECT/KIND/NAME/VERSION.json`.

What lies here was sealed elsewhere and cannot be opened here. A version's number is never used twice: a
destroyed one leaves a line that says when, without its ciphertext. One writer at a time for each owner.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sealock.core.errors import PermanentError, UsageError
from sealock.core.files import give_with, make_private_directory, write_whole
from sealock.core.sealed import Kind, Owner, Sealed, SealedName, SealedVersion
from sealock.store.retired import RetiredKeys
from sealock.store.sealed_records import LONGEST_RECORD, SealedRecord, decode, encode

OWN = "_"
"""Stands for the project where a value is the account's own; no project has that id."""


class SealedFiles:
    """Sealed values in `directory` (`core.sealed.SealedValues`), which is made with the first of them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._retired = RetiredKeys(directory / ".retired")

    def next_version(self, owner: Owner, kind: Kind, name: str) -> int:
        """One more than the highest there ever was."""
        return max(self._numbers(self._place(owner, kind, name)), default=0) + 1

    def put(self, sealed: Sealed) -> None:
        """Keep a new version. UsageError if it is not the next one; RetiredKey."""
        name = sealed.name
        with self._locked(name.owner):
            expected = self.next_version(name.owner, name.kind, name.name)
            if name.version != expected:
                raise UsageError(
                    f"somebody else set {name.kind} {name.name} meanwhile",
                    details=f"The next version is {expected}, not {name.version}.",
                    resolution="Look at its history, and set it again if it is still needed.",
                )
            self._retired.refuse(sealed)
            self._write(name, SealedRecord.of(sealed))

    def get(self, owner: Owner, kind: Kind, name: str, version: int | None = None) -> Sealed | None:
        """That version, or the newest that is not destroyed. None if there is none."""
        place = self._place(owner, kind, name)
        for number in sorted(self._numbers(place) if version is None else {version}, reverse=True):
            found = self._load(SealedName(owner.account, owner.project, kind, name, number))
            if found is not None and found.data is not None:
                return found.sealed()
        return None

    def versions(self, owner: Owner, kind: Kind | None = None) -> list[SealedVersion]:
        """All that ever was, by kind, name and version."""
        records = (self._load(name) for name in self._names(owner, kind))
        return [record.told() for record in records if record is not None]

    def pin(self, name: SealedName, pinned: bool) -> None:
        """Keep a version for a restart, or let it go. UsageError if there is none."""
        with self._locked(name.owner):
            record = self._need(name)
            self._write(name, record.model_copy(update={"pinned": pinned}))

    def destroy(self, name: SealedName) -> None:
        """Remove a version's ciphertext. UsageError if there is none, or it is pinned."""
        with self._locked(name.owner):
            record = self._need(name)
            if record.pinned:
                raise UsageError(
                    f"{name} is kept for a restart", resolution="Let it go first, then destroy it."
                )
            gone = {"data": None, "destroyed_at": time.time()}
            self._write(name, record.model_copy(update=gone))

    def sealed_of(self, owner: Owner) -> Iterator[Sealed]:
        """Every sealed value of this owner."""
        for name in self._names(owner, None):
            record = self._load(name)
            if record is not None and record.data is not None:
                yield record.sealed()

    def reseal(self, old: Sealed, new: Sealed) -> bool:
        """Put `new` in the place of exactly `old`; False if that is not there any more."""
        if new.name != old.name:
            raise ValueError("a value is resealed under its own name only")
        with self._locked(old.name.owner):
            record = self._load(old.name)
            if record is None or record.data is None or record.sealed() != old:
                return False
            self._retired.refuse(new)
            self._write(old.name, SealedRecord.of(new).model_copy(update={"pinned": record.pinned}))
            return True

    def retire(self, owner: Owner, below: int) -> bool:
        """From now on refuse what is sealed to a version below `below`; False while such lies here."""
        with self._locked(owner):
            if any(sealed.key_version < below for sealed in self.sealed_of(owner)):
                return False
            self._retired.retire(owner, below)
            return True

    def forget_owner(self, owner: Owner) -> None:
        """Remove everything of this owner; an account's with that of all its projects."""
        account = self._directory / owner.account
        with self._locked(owner):
            if owner.project is None:
                shutil.rmtree(account, ignore_errors=True)
            shutil.rmtree(self._home(owner), ignore_errors=True)

    def _names(self, owner: Owner, kind: Kind | None) -> list[SealedName]:
        found = []
        for each in sorted(Kind) if kind is None else [kind]:
            kinds = self._home(owner) / each.value
            for name in sorted(_listed(kinds)):
                found += [
                    SealedName(owner.account, owner.project, each, name, number)
                    for number in sorted(self._numbers(kinds / name))
                ]
        return found

    def _numbers(self, place: Path) -> set[int]:
        stems = (name.removesuffix(".json") for name in _listed(place) if name.endswith(".json"))
        return {int(stem) for stem in stems if stem.isdecimal()}

    def _need(self, name: SealedName) -> SealedRecord:
        record = self._load(name)
        if record is None or record.data is None:
            raise UsageError(f"there is no {name}", resolution="Its history shows the versions there are.")
        return record

    def _load(self, name: SealedName) -> SealedRecord | None:
        path = self._path(name)
        try:
            with path.open("rb") as file:
                record = decode(file.read(LONGEST_RECORD + 1), str(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(path, error) from error
        if record.told().name != name:
            raise PermanentError(
                f"the record {path} is of another value",
                details=f"It is {record.told().name}.",
                resolution="Put it back where it belongs, or restore it from its backup.",
            )
        return record

    def _write(self, name: SealedName, record: SealedRecord) -> None:
        path = self._path(name)
        inner = path.relative_to(self._directory).parents
        for part in reversed(inner):  # one by one: parents made on the way would be open to others
            make_private_directory(self._directory / part)
        try:
            write_whole(path, encode(record))
        except OSError as error:
            raise PermanentError(f"{name} cannot be kept", details=str(error)) from error

    def _home(self, owner: Owner) -> Path:
        return self._directory / owner.account / (owner.project or OWN)

    def _place(self, owner: Owner, kind: Kind, name: str) -> Path:
        SealedName(owner.account, owner.project, kind, name, 1)  # refuses what cannot be a name
        return self._home(owner) / kind.value / name

    def _path(self, name: SealedName) -> Path:
        return self._place(name.owner, name.kind, name.name) / f"{name.version}.json"

    @contextmanager
    def _locked(self, owner: Owner) -> Iterator[None]:
        """One writer at a time for each account; the kernel lets go if its process ends."""
        make_private_directory(self._directory)
        lock = self._directory / f".{owner.account}.lock"
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unreadable(lock, error) from error
        try:
            give_with(descriptor, self._directory)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _listed(directory: Path) -> list[str]:
    """What lies there, without what begins with a dot: files being written."""
    try:
        return [entry.name for entry in directory.iterdir() if not entry.name.startswith(".")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(directory, error) from error


def _unreadable(path: Path, error: OSError) -> PermanentError:
    return PermanentError(
        f"{path} cannot be read or written",
        details=str(error),
        resolution="See whose it is, and that its disk works. It must be the user's who runs this.",
    )
