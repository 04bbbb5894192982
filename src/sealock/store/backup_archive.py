"""The file a backup of an installation is: an uncompressed tar, whose last member names all others.

    head.json       {"format": "sealock installation", "version": 1, "made_at": …, "sealock": "0.1"}
    database.gz     the database, as `store.database.backup` makes it; not where there is none
    logs/…          and the other parts of the data directory, file by file
    end.json        {"members": {"logs/….log": {"size": …, "sha256": "…"}, …}}

Nothing in it is packed again: what is sealed cannot be packed, and the database is. The digests find damage;
who can change the file can change the digests too. A reader takes plain files with names of ours alone, and
writes them itself: nothing is left to what a tar may say about links, owners or places.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from sealock.core.errors import PermanentError, UsageError

FORMAT = "sealock installation"
VERSION = 1
HEAD, END, DATABASE = "head.json", "end.json", "database.gz"
PARTS = ("logs", "receipts", "projects", "sealed")
"""Of the data directory, in this order: the key of each log that was copied is there when `sealed` is."""

MARKS = ".retired"
"""The one name that begins with a dot: marks of keys that were rotated away. Others are locks, and files
that are being written."""

MEMBER = re.compile(
    rf"(?:{'|'.join(PARTS)})(?:/(?:[A-Za-z0-9_][A-Za-z0-9._-]{{0,254}}|{re.escape(MARKS)})){{1,8}}"
)
LONGEST_LIST = 512 * 1024 * 1024
"""Bytes of the last member: of some three million files."""


def damaged(path: Path, details: str) -> PermanentError:
    """The backup is not as it was written."""
    return PermanentError(
        f"the backup {path} is damaged; nothing of it was kept",
        details=details,
        resolution="Use another copy of it.",
    )


class _Digesting:
    """A file that is read once, with the digest of what was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


class _Content(_Digesting):
    """A member's content."""

    def __init__(self, file: IO[bytes], archive: Path) -> None:
        super().__init__(file)
        self._archive = archive

    def read(self, size: int = -1) -> bytes:
        try:
            return super().read(size)
        except (tarfile.TarError, EOFError) as error:
            raise damaged(self._archive, "It ends too early.") from error


class ArchiveWriter:
    """Writes one archive to `file`, which stays open."""

    def __init__(self, file: IO[bytes], head: dict[str, Any]) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - `close` ends it
        self._members: dict[str, dict[str, Any]] = {}
        self._add_json(HEAD, {"format": FORMAT, "version": VERSION, **head})

    def add(self, name: str, source: IO[bytes], size: int) -> None:
        """Add the next `size` bytes of `source` under that name. OSError if there are not as many."""
        reader = _Digesting(source)
        self._put(name, reader, size)
        self._members[name] = {"size": size, "sha256": reader.digest.hexdigest()}

    def end(self) -> None:
        """Nothing comes after this."""
        self._add_json(END, {"members": self._members})
        self._tar.close()

    def _add_json(self, name: str, value: object) -> None:
        data = json.dumps(value).encode()
        self._put(name, io.BytesIO(data), len(data))

    def _put(self, name: str, source: Any, size: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        self._tar.addfile(info, source)
        _forget_members(self._tar)


class ArchiveReader:
    """Reads one archive. Only `members`, read to the end, says that it was whole."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        """UsageError if this is no backup of ours, or a newer Sealock's."""
        self._file, self._path = file, path
        try:
            self._tar = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 - it has no file of its own to close
            head = self._json(self._next(), 4096)
        except (tarfile.TarError, PermanentError) as error:
            raise UsageError(f"{path} is no backup of an installation") from error
        if not isinstance(head, dict) or head.get("format") != FORMAT:
            raise UsageError(f"{path} is no backup of an installation")
        if head.get("version") != VERSION:
            raise UsageError(
                f"the backup {path} is of another version of Sealock",
                details=f"Its format is {head.get('version')!r:.20}, this version reads {VERSION}.",
                resolution="Restore it with the version that made it, or a newer one.",
            )

    def members(self) -> Iterator[tuple[str, IO[bytes], int]]:
        """Each member's name, content and size; the content is read to its end before the next is asked for.
        PermanentError if the archive turns out to be damaged, at the latest at its end."""
        found: dict[str, dict[str, Any]] = {}
        try:
            while (info := self._next()).name != END:
                if info.name in found or not (info.name == DATABASE or MEMBER.fullmatch(info.name)):
                    raise damaged(self._path, f"{info.name[:200]!r} has no place in it, or is there twice.")
                reader = _Content(self._content(info), self._path)
                yield info.name, reader, info.size  # type: ignore[misc]  # as much of a file as is needed
                found[info.name] = {"size": info.size, "sha256": reader.digest.hexdigest()}
            told = self._json(info, LONGEST_LIST)
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise damaged(self._path, str(error)[:200]) from error
        if not isinstance(told, dict) or told.get("members") != found:
            raise damaged(self._path, "A file is missing, or has another digest.")
        self._see_the_end()

    def _next(self) -> tarfile.TarInfo:
        info = self._tar.next()
        _forget_members(self._tar)
        if info is None:
            raise damaged(self._path, "It ends too early.")
        if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.issparse():
            raise damaged(self._path, f"{info.name[:200]!r} is no plain file.")
        return info

    def _content(self, info: tarfile.TarInfo) -> IO[bytes]:
        content = self._tar.extractfile(info)
        assert content is not None  # it is a plain file
        return content

    def _json(self, info: tarfile.TarInfo, longest: int) -> Any:
        if info.size > longest:
            raise damaged(self._path, f"{info.name[:200]!r} is too long.")
        try:
            return json.loads(self._content(info).read())
        except (ValueError, RecursionError) as error:
            raise damaged(self._path, f"{info.name[:200]!r} is not JSON.") from error

    def _see_the_end(self) -> None:
        if self._tar.next() is not None:
            raise damaged(self._path, "Something follows its end.")
        self._file.seek(self._tar.offset)
        while data := self._file.read(64 * 1024):
            if data.strip(b"\0"):
                raise damaged(self._path, "Something follows its end.")


def _forget_members(tar: tarfile.TarFile) -> None:
    """Else it remembers each of what may be a million."""
    tar.members.clear()  # type: ignore[attr-defined]  # there, but not in the stubs
