"""Takes in the sealed logs that workers send, each into its file, from where that is on.

What is acknowledged was handed to the operating system, so a website that is killed loses none of it; that
a power cut loses none either, `finish` sees to. Two websites may share the directory: a lock on the file
makes them take turns, and the kernel lets go of it when one is killed. A log that was removed stays so: the
note is looked for when the file is ours already, and whoever removes writes the note first.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from anyio import CapacityLimiter, to_thread

from sealock.core.errors import TemporaryError, UsageError
from sealock.core.files import flush_directory, make_private_directory
from sealock.core.log import was_removed
from sealock.core.log_pages import log_topic
from sealock.core.log_sink import LONGEST_LOG
from sealock.core.queue import Wakeups
from sealock.livelog.files import LogFiles
from sealock.livelog.format import MAGIC

AT_ONCE = 16
"""Threads that write."""


class LogFilesSink:
    """A `core.log_sink.LogSink` over these files. longest: bytes of one log."""

    def __init__(self, files: LogFiles, wakeups: Wakeups, *, longest: int = LONGEST_LOG) -> None:
        self._files = files
        self._wakeups = wakeups
        self._longest = longest
        self._threads = CapacityLimiter(AT_ONCE)

    async def append(self, run_id: str, offset: int, data: bytes) -> int:
        """Go on with the log; how many bytes are kept now."""
        self._check(run_id, offset, data)
        before, size = await to_thread.run_sync(self._append, run_id, offset, data, limiter=self._threads)
        if size > before:
            await self._wakeups.tell(log_topic(run_id))
        return size

    async def finish(self, run_id: str) -> int:
        """Have what is kept on the disk; how many bytes."""
        size = await to_thread.run_sync(self._finish, run_id, limiter=self._threads)
        await self._wakeups.tell(log_topic(run_id))
        return size

    def _check(self, run_id: str, offset: int, data: bytes) -> None:
        """What can be told without the file."""
        if offset < 0 or offset + len(data) > self._longest:
            raise UsageError(
                f"the log of build {run_id[:40]} cannot have bytes from {offset} to {offset + len(data)}",
                details=f"At most {self._longest} bytes of a log are kept.",
            )
        beginning = (MAGIC + bytes.fromhex(run_id))[offset:] if self._files.place(run_id) else b""
        known = min(len(beginning), len(data))
        if data[:known] != beginning[:known]:
            raise UsageError(
                f"these are not bytes of the log of build {run_id}",
                details="A sealed log begins with what it is and whose.",
            )

    def _append(self, run_id: str, offset: int, data: bytes) -> tuple[int, int]:
        """How many bytes there were, and are."""
        try:
            with self._opened(run_id, create=offset == 0 and data != b"") as file:
                size = os.fstat(file).st_size
                if offset > size:
                    return size, size
                known = data[: size - offset]
                if os.pread(file, len(known), offset) != known:
                    raise _other_bytes(run_id)
                return size, _write(file, data[len(known) :], size)
        except FileNotFoundError:
            if (gone := self._files.removal(run_id)) is not None:
                raise was_removed(gone) from None
            return 0, 0
        except OSError as error:
            raise _cannot(run_id, error) from error

    def _finish(self, run_id: str) -> int:
        try:
            with self._opened(run_id, create=False) as file:
                os.fsync(file)
                flush_directory(self._files.directory)
                return os.fstat(file).st_size
        except (FileNotFoundError, UsageError):
            return 0
        except OSError as error:
            raise _cannot(run_id, error) from error

    @contextmanager
    def _opened(self, run_id: str, *, create: bool) -> Iterator[int]:
        """The file, for us alone. FileNotFoundError; UsageError for a removed log."""
        path = self._files.place(run_id)
        if create:
            make_private_directory(path.parent)
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_CREAT if create else 0)
        file = os.open(path, flags, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if (gone := self._files.removal(run_id)) is not None:
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


def _other_bytes(run_id: str) -> UsageError:
    return UsageError(
        f"other bytes of the log of build {run_id} were kept before",
        details="A log is only gone on with.",
    )


def _cannot(run_id: str, error: OSError) -> TemporaryError:
    return TemporaryError(
        f"the log of build {run_id} cannot be kept",
        details=str(error),
        resolution="Make room on the server's disk, or give it the right to write there.",
    )
