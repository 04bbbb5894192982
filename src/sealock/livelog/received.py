"""Sealed logs that come from workers, byte after byte, into the files that `LogFiles` reads.

Whoever keeps them here cannot open them. What is taken is what continues a file, so that a piece that is sent
twice is there once. What is acknowledged was handed to the operating system, so a website that is killed
loses none of it; that a power cut loses none either, `digest` sees to. Two websites may share the directory:
a lock on the file makes them take turns, and the kernel lets go of it when one is killed. A log that was
removed stays so: its note is looked for when the file is ours already, and whoever removes writes it first.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sealock.core.errors import TemporaryError, UsageError
from sealock.core.files import flush_directory, make_private_directory
from sealock.core.log import was_removed
from sealock.livelog.files import LogFiles
from sealock.livelog.format import MAGIC

LONGEST_LOG = 1 << 30
"""Bytes of one attempt's sealed log."""


class ReceivedLogs:
    """Logs in the `directory` of `LogFiles`. longest: bytes of one.

    Whose attempt it is, the caller has seen to. UsageError for what must never be kept: an id that is none, a
    log that was removed, bytes that are not of that log or not those that were kept before, too many of them.
    TemporaryError if it cannot be kept now.
    """

    def __init__(self, directory: Path, longest: int = LONGEST_LOG) -> None:
        self._files = LogFiles(directory)
        self._longest = longest

    def append(self, run: str, offset: int, data: bytes) -> int:
        """Go on with the log: `data` are its bytes from `offset` on. How many it has now; its worker sends
        from there. What was kept before stays as it is; if `offset` is beyond, nothing is kept."""
        self._check(run, offset, data)
        try:
            with self._opened(run, create=offset == 0 and data != b"") as file:
                size = os.fstat(file).st_size
                if offset > size:
                    return size
                known = data[: size - offset]
                if os.pread(file, len(known), offset) != known:
                    raise _other_bytes(run)
                return _write(file, data[len(known) :], size)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise _cannot(run, error) from error

    def digest(self, run: str) -> str | None:
        """`sha256:…` of all of it, which is on the disk when this returns; None if there is none."""
        found = hashlib.sha256()
        try:
            with self._opened(run, create=False) as file:
                os.fsync(file)
                flush_directory(self._files.directory)
                position = 0
                while piece := os.pread(file, 1 << 20, position):
                    found.update(piece)
                    position += len(piece)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _cannot(run, error) from error
        return f"sha256:{found.hexdigest()}"

    def _check(self, run: str, offset: int, data: bytes) -> None:
        """What can be told without the file."""
        if offset < 0 or offset + len(data) > self._longest:
            raise UsageError(
                f"the log of build {run[:40]} cannot have bytes from {offset} to {offset + len(data)}",
                details=f"At most {self._longest} bytes of a log are kept.",
            )
        beginning = (MAGIC + bytes.fromhex(run))[offset:] if self._files.place(run) else b""
        known = min(len(beginning), len(data))
        if data[:known] != beginning[:known]:
            raise UsageError(
                f"these are not bytes of the log of build {run}",
                details="A sealed log begins with what it is and whose.",
            )

    @contextmanager
    def _opened(self, run: str, *, create: bool) -> Iterator[int]:
        """The file, for us alone. FileNotFoundError; UsageError for a removed log."""
        path = self._files.place(run)
        if not create and not path.exists() and (gone := self._files.removal(run)) is not None:
            raise was_removed(gone)
        if create:
            make_private_directory(path.parent)
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_CREAT if create else 0)
        file = os.open(path, flags, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if (gone := self._files.removal(run)) is not None:
                if os.fstat(file).st_size == 0:
                    path.unlink(missing_ok=True)  # made just now, in the place of the removed one
                raise was_removed(gone)
            yield file
        finally:
            os.close(file)


def _write(file: int, data: bytes, place: int) -> int:
    """Behind what is there; the place behind that. What was written before an error stays: it is right."""
    with memoryview(data) as rest:
        written = 0
        while written < len(rest):
            written += os.pwrite(file, rest[written:], place + written)
    return place + written


def _other_bytes(run: str) -> UsageError:
    return UsageError(
        f"other bytes of the log of build {run} were kept before",
        details="A log is only gone on with.",
    )


def _cannot(run: str, error: OSError) -> TemporaryError:
    return TemporaryError(
        f"the log of build {run} cannot be kept",
        details=str(error),
        resolution="Make room on the server's disk, or give it the right to write there.",
    )
