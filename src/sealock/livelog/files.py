"""Sealed logs in files, one a build, in a directory of ours alone. What lies there is of no use without
the builds' log keys, which are kept elsewhere. Of a log that was removed a note stays, with who and when."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from pathlib import Path

from sealock.core.errors import PermanentError, UsageError
from sealock.core.files import make_private_directory, remove_whole, write_whole
from sealock.core.log import LogRemoval, was_removed
from sealock.core.secret import Secret
from sealock.livelog import removals
from sealock.livelog.format import FILE_HEADER_LENGTH
from sealock.livelog.read import SealedLogReader
from sealock.livelog.write import SealedLogWriter

SUFFIX = ".log"
NOTE = ".removed"
BUILD_ID = re.compile(r"[0-9a-f]{32}")


class LogFiles:
    """Logs in `directory` (`core.log.Logs`). It is made when the first log is."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def create(self, build_id: str, key: Secret) -> SealedLogWriter:
        """A new log. PermanentError if this build has or had one already, or it cannot be kept."""
        path = self.place(build_id)
        make_private_directory(self.directory)
        try:
            if self._note(build_id).exists():
                raise FileExistsError(f"the log of build {build_id} was removed")
            return SealedLogWriter(path, build_id, key)
        except FileExistsError as error:
            raise PermanentError(
                f"build {build_id} has a log already",
                details=str(path),
                resolution="A log is written once. Give the new attempt a build id of its own.",
            ) from error
        except OSError as error:
            raise PermanentError(
                f"the log of build {build_id} cannot be kept",
                details=str(error),
                resolution="Make room, or give us the right to write there.",
            ) from error

    def open(self, build_id: str, key: Secret) -> SealedLogReader:
        """UsageError if this build has no log, or it was removed; PermanentError if it is not what was
        kept."""
        path = self.place(build_id)
        if (gone := self.removal(build_id)) is not None:
            raise was_removed(gone)
        try:
            return SealedLogReader(path, build_id, key)
        except FileNotFoundError as error:
            raise _no_log(build_id) from error
        except OSError as error:
            raise PermanentError(
                f"the log of build {build_id} cannot be read",
                details=str(error),
                resolution="Make it a regular file that the user Sealock runs as may read.",
            ) from error

    def has_begun(self, build_id: str) -> bool:
        """Whether there is a file with enough in it to be opened. One that comes over the network may have
        arrived in part."""
        try:
            return self.place(build_id).stat().st_size >= FILE_HEADER_LENGTH
        except FileNotFoundError:
            return False

    def all(self) -> list[str]:
        """The builds that have a log, by id."""
        names = (path.name.removesuffix(SUFFIX) for path in self.directory.glob(f"*{SUFFIX}"))
        return sorted(name for name in names if BUILD_ID.fullmatch(name))

    def remove(self, build_id: str, by: str, why: str = "") -> None:
        """Remove a build's log; that it was there, who removed it, when and why is remembered. UsageError if
        there is none, or it was removed."""
        path, gone = self.place(build_id), self.removal(build_id)
        if not path.exists():
            raise _no_log(build_id) if gone is None else was_removed(gone)
        try:
            if gone is None:
                note = LogRemoval(build_id, by, time.time(), why)
                write_whole(self._note(build_id), removals.encode(note))
            with suppress(FileNotFoundError):  # somebody else removes it at the same time
                remove_whole(path)
        except OSError as error:
            raise PermanentError(
                f"the log of build {build_id} cannot be removed",
                details=str(error),
                resolution="Give us the right to write there, and remove it again.",
            ) from error

    def removal(self, build_id: str) -> LogRemoval | None:
        """What is remembered of a log that was removed. PermanentError if that is not what was kept."""
        note = self._note(build_id)
        try:
            with note.open("rb") as file:
                return removals.decode(file.read(removals.LONGEST + 1), build_id)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise PermanentError(f"the note {note} cannot be read", details=str(error)) from error

    def place(self, build_id: str) -> Path:
        """Where its file is, or would be. UsageError for an id that is none."""
        if not BUILD_ID.fullmatch(build_id):
            raise _no_log(build_id)
        return self.directory / f"{build_id}{SUFFIX}"

    def _note(self, build_id: str) -> Path:
        """What is left in the place of a removed log."""
        return self.place(build_id).with_suffix(NOTE)


def _no_log(build_id: str) -> UsageError:
    return UsageError(
        f"there is no log of a build {build_id[:40]!r}",
        resolution="A build's id has 32 hexadecimal digits; its log may have been removed.",
    )
