"""Projects in a directory, one file each, named by the project's name.

A file is written whole or not at all, and one writer at a time holds the directory's lock, so that a name
or an address cannot be taken twice and no two resets of a key undo each other. What lies in a file is
sealed or public: losing the directory loses no secret without the key-encryption key.
"""

from __future__ import annotations

import difflib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sealock.core.errors import PermanentError, UsageError
from sealock.core.files import make_private_directory, remove_whole, write_whole
from sealock.core.project import PROJECT_NAME, Project, SealedKey, owner_of
from sealock.core.sealed import Owner, Sealed
from sealock.core.source import GitAddress
from sealock.store.records import LONGEST_RECORD, decode, encode
from sealock.store.retired import RetiredKeys

SUFFIX = ".json"


class ProjectFiles:
    """Projects in `directory` (`core.project.Projects`), each with its sealed key
    (`core.sealed.SealedPlace`). It is made when the first project is kept."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._retired = RetiredKeys(directory / ".retired")

    def add(self, project: Project) -> None:
        """Keep a new project. UsageError if its name or address is taken."""
        with self._locked():
            for other in self.all():
                if other.name == project.name:
                    raise UsageError(
                        f"there is a project {project.name} already",
                        details=f"It builds {other.address}.",
                        resolution="Choose another name, or remove that one first.",
                    )
                if other.address == project.address:
                    raise UsageError(
                        f"{project.address} is built by the project {other.name} already",
                        resolution=f"`sealock project show {other.name}` shows it.",
                    )
            self._write(project)

    def replace(self, project: Project) -> None:
        """Keep a changed project (same id). UsageError if it is not there, or its key is not the next
        after the one that is kept: somebody else changed it meanwhile."""
        with self._locked():
            kept = self.get(project.name)
            if kept.id != project.id:
                raise _changed(project.name)
            if project.sealed_key != kept.sealed_key and not _follows(project, kept):
                raise _changed(project.name)
            self._write(project)

    def get(self, name: str) -> Project:
        """The project of that name. UsageError, naming near matches, if there is none."""
        if PROJECT_NAME.fullmatch(name):
            try:
                return self._read(self._path(name))
            except FileNotFoundError:
                pass
        near = difflib.get_close_matches(name, self._names(), n=3)
        raise UsageError(
            f"there is no project {name[:63]!r}",
            details=f"Did you mean {' or '.join(near)}?" if near else "",
            resolution="`sealock project list` shows every project.",
        )

    def for_address(self, address: GitAddress) -> Project | None:
        """The project that builds this repository, if there is one."""
        return next((project for project in self.all() if project.address == address), None)

    def all(self) -> list[Project]:
        """Every project, by name."""
        found = []
        for name in self._names():
            try:
                found.append(self._read(self._path(name)))
            except FileNotFoundError:
                continue  # removed since we looked
        return found

    def remove(self, name: str) -> None:
        """Forget the project and its sealed key. UsageError if there is none of that name."""
        with self._locked():
            if name not in self._names():
                self.get(name)
            remove_whole(self._path(name))

    def sealed_of(self, owner: Owner) -> Iterator[Sealed]:
        """The owner's project's key, if it has one that is sealed to its key set."""
        for project in self.all():
            if owner_of(project.id) == owner and isinstance(project.sealed_key, Sealed):
                yield project.sealed_key

    def reseal(self, old: Sealed, new: Sealed) -> bool:
        """Put `new` in the place of exactly `old`; False if that is not there any more."""
        with self._locked():
            for project in self.all():
                if project.sealed_key == old:
                    self._write(replace(project, sealed_key=new))
                    return True
        return False

    def retire(self, owner: Owner, below: int) -> bool:
        """From now on refuse a key sealed to a version below `below`; False while such a one lies here."""
        with self._locked():
            if any(sealed.key_version < below for sealed in self.sealed_of(owner)):
                return False
            self._retired.retire(owner, below)
            return True

    def forget_owner(self, owner: Owner) -> None:
        """Nothing: a project that is removed goes as a whole, and its key with it."""

    def _names(self) -> list[str]:
        try:
            entries = [entry.name for entry in self._directory.iterdir()]
        except FileNotFoundError:
            return []
        stems = (entry.removesuffix(SUFFIX) for entry in entries if entry.endswith(SUFFIX))
        return sorted(stem for stem in stems if PROJECT_NAME.fullmatch(stem))

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}{SUFFIX}"

    def _read(self, path: Path) -> Project:
        with path.open("rb") as file:
            project = decode(file.read(LONGEST_RECORD + 1), str(path))
        if self._path(project.name) != path:
            raise PermanentError(
                f"the project's record {path} is of another project",
                details=f"It is the one of {project.name}.",
                resolution="Give the file its own name again.",
            )
        return project

    def _write(self, project: Project) -> None:
        data = encode(project)
        if isinstance(project.sealed_key, Sealed):
            self._retired.refuse(project.sealed_key)
        try:
            write_whole(self._path(project.name), data)
        except OSError as error:
            raise PermanentError(
                f"the project {project.name} cannot be kept in {self._directory}", details=str(error)
            ) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time; the kernel lets go of the lock when its process ends, however it ends."""
        make_private_directory(self._directory)
        descriptor = os.open(self._directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _follows(project: Project, kept: Project) -> bool:
    """Whether its key may take the other's place: the next one, or the same, sealed the new way."""
    if project.sealed_key.version == kept.sealed_key.version + 1:
        return True
    return (
        isinstance(kept.sealed_key, SealedKey)
        and isinstance(project.sealed_key, Sealed)
        and project.sealed_key.version == kept.sealed_key.version
        and project.public_key == kept.public_key
    )


def _changed(name: str) -> UsageError:
    return UsageError(
        f"the project {name} was changed by somebody else meanwhile",
        resolution="Look at it with `sealock project show`, and try again if it is still needed.",
    )
