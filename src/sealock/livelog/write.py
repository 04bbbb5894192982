"""Keeps the log of a build that is under way: chunk after chunk, each sealed before it is written.

A chunk is added by one write at the end of the file. If that fails half-way, or the process is killed in
the middle of it, the file ends with a torn chunk, which every reader ignores. Such a log is not gone on
with: the same number for another chunk would be the same nonce for another plaintext.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sealock.core.errors import PermanentError
from sealock.core.files import flush_directory
from sealock.core.log import LogSummary, Mark
from sealock.core.secret import Secret
from sealock.livelog.format import (
    CHUNK_MARKS,
    CHUNK_OUTPUT,
    LONGEST_MARK,
    MARK_ITSELF,
    SALT_LENGTH,
    TAG_LENGTH,
    ChunkHeader,
    FileHeader,
    Flags,
    encode_body,
)
from sealock.livelog.outline import Outlining
from sealock.livelog.read import SealedLogReader
from sealock.livelog.seal import ChunkCipher

Clock = Callable[[], float]


class SealedLogWriter:
    """Writes a new file (`core.log.LogWriter`)."""

    def __init__(self, path: Path, build_id: str, key: Secret, clock: Clock = time.time) -> None:
        """FileExistsError if there is a file already; OSError if it cannot be made."""
        header = FileHeader(build_id, os.urandom(SALT_LENGTH))
        self._cipher = ChunkCipher(key, header)
        self._path, self._build_id, self._clock = path, build_id, clock
        self._digest = hashlib.sha256()
        self._number, self._line, self._size = 0, 1, 0
        self._length = 0  # bytes of the file
        self._unfinished = False
        self._summary: LogSummary | None = None
        self._output = bytearray()
        self._marks: list[tuple[int, int, str]] = []
        self._marked = 0  # characters
        self._begun: int | None = None  # milliseconds since 1970
        self._outlining = Outlining()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file: int | None = os.open(path, flags, 0o600)
        self._append(header.encode())

    def write(self, data: bytes) -> None:
        """Add output; chunks that are full are kept at once."""
        self._require_open()
        start = 0
        while start < len(data):
            self._begin()
            piece = data[start : start + CHUNK_OUTPUT - len(self._output)]
            self._output += piece
            start += len(piece)
            if len(self._output) >= CHUNK_OUTPUT:
                self.flush()

    def mark(self, text: str) -> None:
        """Add a mark, on a line of its own."""
        self._require_open()
        if self._is_within_a_line():
            self.write(b"\n")
        self._begin()
        line = self._line + self._output.count(b"\n")
        self._marks.append((line, self._now(), text[:LONGEST_MARK]))
        self._marked += len(text) + MARK_ITSELF
        if self._marked >= CHUNK_MARKS:
            self.flush()

    def flush(self) -> None:
        """Seal and keep whatever was not yet."""
        if self._begun is not None:
            self._seal(Flags(0))

    def close(self) -> LogSummary:
        """The log ends here, and is on the disk when this returns."""
        if self._summary is None:
            self.flush()
            self._begin()
            self._seal(Flags.FINAL, self._outline())
            self._sync()
            self._summary = self._told(complete=True)
        return self._summary

    def summary(self) -> LogSummary:
        """Of what is kept so far."""
        return self._summary or self._told(complete=False)

    def _outline(self) -> bytes:
        """Of what was kept. A log without one is a log all the same."""
        try:
            with SealedLogReader(self._path, self._build_id, self._cipher) as reader:
                return self._outlining.kept(reader)
        except (PermanentError, OSError):
            return b""

    def _told(self, *, complete: bool) -> LogSummary:
        digest = f"sha256:{self._digest.hexdigest()}"
        lines = self._line - 1 + self._unfinished
        return LogSummary(self._build_id, lines, self._size, self._number, digest, complete)

    def _begin(self) -> None:
        """A chunk's time is that of the first thing in it."""
        if self._begun is None:
            self._begun = self._now()

    def _now(self) -> int:
        return max(0, round(self._clock() * 1000))

    def _is_within_a_line(self) -> bool:
        return not self._output.endswith(b"\n") if self._output else self._unfinished

    def _seal(self, flags: Flags, outline: bytes = b"") -> None:
        output = bytes(self._output)
        self._hear(output)
        marks = json.dumps(self._marks, separators=(",", ":")).encode() if self._marks else b""
        unfinished = self._is_within_a_line()
        flags |= (Flags.MARKS if marks else 0) | (Flags.UNFINISHED if unfinished else 0)
        flags |= Flags.OUTLINE if outline else 0
        body = encode_body(marks, output, outline)
        newlines = output.count(b"\n")
        assert self._begun is not None
        header = ChunkHeader(len(body) + TAG_LENGTH, self._number, self._line, newlines, self._begun, flags)
        self._append(self._cipher.seal(header, body))
        self._number += 1
        self._line += newlines
        self._size += len(output)
        self._unfinished = unfinished
        self._output.clear()
        self._marks.clear()
        self._marked, self._begun = 0, None

    def _hear(self, output: bytes) -> None:
        """For the outline of all of it."""
        self._outlining.add(output)
        for line, at, text in self._marks:
            self._outlining.mark(Mark(line, at / 1000, text))

    def _require_open(self) -> int:
        if self._file is None:
            raise self._cannot("nothing more can be added to it")
        return self._file

    def _append(self, data: bytes) -> None:
        """By one write, which is all of it or the last this file gets."""
        try:
            written = os.write(self._require_open(), data)
        except OSError as error:
            self._give_up()
            raise self._cannot(str(error)) from error
        if written != len(data):
            self._cut_off_what_is_torn()
            self._give_up()
            raise self._cannot(f"only {written} of {len(data)} bytes of a chunk could be written")
        self._digest.update(data)
        self._length += written

    def _cut_off_what_is_torn(self) -> None:
        """So that the file is what its digest says. Readers do not mind where it fails."""
        with suppress(OSError):
            os.ftruncate(self._require_open(), self._length)

    def _sync(self) -> None:
        try:
            os.fsync(self._require_open())
            flush_directory(self._path.parent)
        except OSError as error:
            raise self._cannot(str(error)) from error
        finally:
            self._give_up()

    def _give_up(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _cannot(self, why: str) -> PermanentError:
        return PermanentError(
            f"the log of build {self._build_id} cannot be kept any further",
            details=f"{self._path}: {why}",
            resolution="Make room on that disk. What was kept before can be read.",
        )

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self._give_up()
