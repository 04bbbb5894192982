"""The release ledger: one file, one line a fact, only ever added to, on the disk before anything follows.

A line counts once it is written and flushed. What a crash left of a line that was never flushed is cut off
when the ledger is opened next: nothing followed from it. If a write fails, the ledger is put back to where
it was and the caller refuses; if a flush fails, nobody knows what the disk holds, so nothing more is taken
until the ledger is opened, and read, anew.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from sealock.core.errors import PermanentError
from sealock.core.files import flush_directory, make_private_directory
from sealock.core.release import Entry, Fact, Released
from sealock.ledger import facts

FILE_NAME = "releases.jsonl"


class ReleaseLedger:
    """The ledger of one keeper (`core.release.Ledger`), held by one process at a time."""

    def __init__(self, directory: Path) -> None:
        """Open the ledger in `directory`, made there if there is none, and check all of it.

        PermanentError if another process holds it, or it is not as it was written.
        """
        make_private_directory(directory)
        self.path = directory / FILE_NAME
        self._last: Entry | None = None
        self._broken = False
        self._descriptor = _open_for_append(self.path)
        try:
            self._length = _cut_torn_line(self.path, self._descriptor)
            for entry in read_entries(self.path):
                self._last = entry
        except BaseException:
            self.close()
            raise

    @property
    def last(self) -> Entry | None:
        """The latest entry, None while there is none."""
        return self._last

    def append(self, told: Sequence[Fact], at: float) -> list[Entry]:
        """Write facts, all or none, and flush them to the disk, once. PermanentError if that cannot be
        promised."""
        if self._broken:
            raise self._refused("an earlier entry could not be flushed; what the disk holds is not known")
        added = self._chain(told, at)
        try:
            lines = b"".join(facts.write(entry) for entry in added)
        except ValueError as error:
            raise self._refused(str(error)) from error
        self._write(lines)
        self._flush()
        self._length += len(lines)
        self._last = added[-1] if added else self._last
        return added

    def entries(self) -> Iterator[Entry]:
        """Every entry in order, checked while it is read."""
        return read_entries(self.path)

    def close(self) -> None:
        """Let another process have it. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._broken = True

    def __enter__(self) -> ReleaseLedger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _chain(self, told: Sequence[Fact], at: float) -> list[Entry]:
        added: list[Entry] = []
        for fact in told:
            added.append(facts.chain(fact, at, added[-1] if added else self._last))
        return added

    def _write(self, lines: bytes) -> None:
        try:
            remaining = memoryview(lines)
            while remaining:
                remaining = remaining[os.write(self._descriptor, remaining) :]
        except OSError as error:
            self._take_back()
            raise self._refused(error.strerror or "it cannot be written") from error

    def _take_back(self) -> None:
        """Half a line may be there: cut it off, or take nothing more."""
        try:
            os.ftruncate(self._descriptor, self._length)
        except OSError:
            self._broken = True

    def _flush(self) -> None:
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            # A second try may be told all is well while the pages are lost.
            self._broken = True
            raise self._refused(error.strerror or "it cannot be flushed") from error

    def _refused(self, why: str) -> PermanentError:
        return PermanentError(
            "the release ledger cannot be written, so nothing is released",
            details=f"{self.path}: {why}",
            resolution="Make room on its disk and the disk writable, then start the keeper again.",
        )


class ReleaseReader:
    """Answers from a ledger that a keeper may be writing (`core.release.Exposures`)."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME

    async def exposures(self, *builds: str) -> list[Entry]:
        """The entries of every release for those builds, in order; empty if there is no ledger yet."""
        if not self._path.exists():
            return []
        return exposures(read_entries(self._path), builds)


def exposures(entries: Iterator[Entry], builds: Sequence[str]) -> list[Entry]:
    """Those of `entries` by which one of those builds was given something."""
    wanted = frozenset(builds)
    return [entry for entry in entries if isinstance(entry.fact, Released) and entry.fact.build in wanted]


def read_entries(path: Path) -> Iterator[Entry]:
    """Every whole line of a ledger, each checked against the one before. PermanentError at the first that
    is not as it was written. A last line without its end is one that is just being written: left out."""
    before: Entry | None = None
    try:
        with path.open("rb") as file:
            while line := file.readline(facts.LONGEST_LINE + 1):
                if not line.endswith(b"\n") and len(line) <= facts.LONGEST_LINE:
                    return
                before = _read(line, before, path)
                yield before
    except OSError as error:
        raise _altered(path, before, error.strerror or "it cannot be read") from error


def _read(line: bytes, before: Entry | None, path: Path) -> Entry:
    try:
        if len(line) > facts.LONGEST_LINE:
            raise ValueError(f"it is longer than {facts.LONGEST_LINE} bytes")
        entry = facts.read(line)
        facts.check_place(entry, before)
    except ValueError as error:
        raise _altered(path, before, str(error)) from error
    return entry


def _open_for_append(path: Path) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        is_new = not path.exists()
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise _unusable(path, error.strerror or "it cannot be opened") from error
    try:
        _refuse_unless_ours(path, os.fstat(descriptor))
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_new:
            flush_directory(path.parent)
    except BlockingIOError as error:
        os.close(descriptor)
        raise _unusable(path, "another keeper holds it") from error
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_unless_ours(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise _unusable(path, "it is no regular file of ours that nobody else can change")


def _cut_torn_line(path: Path, descriptor: int) -> int:
    """Remove what a crash left of a line that was never flushed. The length of what remains, in bytes."""
    with os.fdopen(os.dup(descriptor), "rb") as file:
        length = file.seek(0, os.SEEK_END)
        whole = _end_of_last_line(file, length)
    if length - whole > facts.LONGEST_LINE:
        raise _altered(path, None, "what stands at its end is no line of ours")
    if whole != length:
        os.ftruncate(descriptor, whole)
        os.fsync(descriptor)
    return whole


def _end_of_last_line(file: BinaryIO, length: int) -> int:
    start = max(0, length - facts.LONGEST_LINE - 1)
    file.seek(start)
    return start + file.read().rfind(b"\n") + 1


def _altered(path: Path, before: Entry | None, why: str) -> PermanentError:
    return PermanentError(
        "the release ledger is not as it was written",
        details=f"{path}, entry {before.sequence + 1 if before else 1}: {why}",
        resolution="Keep this file for whoever finds out what happened, and restore it from its backup.",
    )


def _unusable(path: Path, why: str) -> PermanentError:
    return PermanentError(
        f"the release ledger {path} cannot be used",
        details=why,
        resolution="One keeper at a time holds a ledger, and its file belongs to the keeper's user alone.",
    )
