"""Sealed logs that come from workers, byte after byte, into the files that `LogFiles` reads.

Whoever keeps them here cannot open them. What is taken is what continues a file, so that a piece that is sent
twice is there once; only a new file's first bytes are looked at, since they name the build.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sealock.core.errors import TemporaryError, UsageError
from sealock.core.files import make_private_directory
from sealock.livelog.files import SUFFIX, LogFiles
from sealock.livelog.format import FILE_HEADER_LENGTH, FileHeader

LONGEST_LOG = 1 << 30
"""Bytes of one attempt's sealed log."""


class ReceivedLogs:
    """Logs in the `directory` of `LogFiles`. longest: bytes of one."""

    def __init__(self, directory: Path, longest: int = LONGEST_LOG) -> None:
        self._directory, self._longest = directory, longest
        self._files = LogFiles(directory)

    def append(self, run: str, offset: int, data: bytes) -> int:
        """Add `data` if it begins where the log ends; how many bytes the log has now, either way.

        run: an attempt's id. UsageError for a log that is another's, too long, or was removed;
        TemporaryError if it cannot be kept.
        """
        path = self._path(run)
        make_private_directory(self._directory)
        try:
            with _locked(path, os.O_RDWR | os.O_CREAT) as file:
                size = os.fstat(file).st_size
                if offset != size or not data:
                    return size
                self._check(run, size, data)
                _write_all(file, data, size)
                return size + len(data)
        except OSError as error:
            raise _cannot(run, error) from error

    def digest(self, run: str) -> str | None:
        """`sha256:…` of all of it, which is on the disk when this returns; None if there is none."""
        found = hashlib.sha256()
        try:
            with _locked(self._path(run), os.O_RDONLY) as file:
                os.fsync(file)
                position = 0
                while piece := os.pread(file, 1 << 20, position):
                    found.update(piece)
                    position += len(piece)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _cannot(run, error) from error
        return f"sha256:{found.hexdigest()}"

    def _check(self, run: str, size: int, data: bytes) -> None:
        if size + len(data) > self._longest:
            raise UsageError(
                f"the log of build {run} is longer than {self._longest} bytes",
                resolution="Have the build print less.",
            )
        if size == 0 and _named_in(data) != run:
            raise UsageError(f"that does not begin as the sealed log of build {run}")

    def _path(self, run: str) -> Path:
        """UsageError for what is no id, or a log that was removed."""
        if self._files.removal(run) is not None:
            raise UsageError(f"the log of build {run} was removed")
        return self._directory / f"{run}{SUFFIX}"


def _named_in(data: bytes) -> str | None:
    with suppress(ValueError):
        return FileHeader.decode(data[:FILE_HEADER_LENGTH]).build_id
    return None


@contextmanager
def _locked(path: Path, flags: int) -> Iterator[int]:
    """The file, for one at a time: the same piece may come twice at once."""
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


def _write_all(file: int, data: bytes, at: int) -> None:
    """All of it or, as far as can be, nothing."""
    written = 0
    try:
        while written < len(data):
            written += os.pwrite(file, data[written:], at + written)
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, at)
        raise


def _cannot(run: str, error: OSError) -> TemporaryError:
    return TemporaryError(
        f"the log of build {run} cannot be kept now",
        details=str(error),
        resolution="Make room, or give us the right to write there.",
    )
