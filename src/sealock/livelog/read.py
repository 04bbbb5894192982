"""Reads a sealed log: a range of its lines, its marks, a search.

Only chunks that are asked for are opened, and nothing is returned from one that does not open. The last
one is opened at once, because it says how many lines there are and whether the log is complete.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from sealock.core.errors import PermanentError
from sealock.core.log import Found, Line, LogSummary, Mark
from sealock.core.secret import Secret
from sealock.livelog.format import MARK_ITSELF, Body, Flags, decode_body
from sealock.livelog.index import Chunk, Index
from sealock.livelog.lines import Lines
from sealock.livelog.seal import ChunkCipher, DoesNotOpen
from sealock.livelog.search import Search

_PIECE = 1 << 20


class SealedLogReader:
    """Reads a file (`core.log.LogReader`)."""

    def __init__(self, path: Path, build_id: str, key: Secret | ChunkCipher) -> None:
        """key: of the log, or what was derived from it for this very file. FileNotFoundError if there is
        none; PermanentError if it is not that build's log as it was kept, or does not open with this key."""
        self._path, self._build_id = path, build_id
        self._cipher: ChunkCipher | None = None
        self._file = -1
        self._file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self._index = Index(self._file)
            if self._index.file_header.build_id != build_id:
                raise ValueError(f"it is the log of build {self._index.file_header.build_id}")
            if not isinstance(key, ChunkCipher):
                key = ChunkCipher(key, self._index.file_header)
            self._cipher = key
            self.refresh()
        except ValueError as error:
            self.close()
            raise self._altered(str(error)) from error
        except BaseException:
            self.close()
            raise

    @property
    def lines(self) -> int:
        """How many lines there are."""
        return self._index.lines

    @property
    def complete(self) -> bool:
        """Whether it ends where its writer closed it."""
        return self._index.complete

    def again(self) -> SealedLogReader:
        """Another reader of the same file. Nothing is asked for, and nothing is read."""
        if self._cipher is None:
            raise ValueError("this log was closed")
        other = SealedLogReader.__new__(SealedLogReader)
        other._path, other._build_id, other._cipher = self._path, self._build_id, self._cipher
        other._file = fcntl.fcntl(self._file, fcntl.F_DUPFD_CLOEXEC, 0)
        other._index = self._index.copy_for(other._file)
        return other

    def refresh(self) -> None:
        """Take in what was added."""
        known = len(self._index.chunks)
        try:
            self._index.extend()
        except ValueError as error:
            raise self._altered(str(error)) from error
        if len(self._index.chunks) > known:
            self._open(self._index.chunks[-1])

    def read(self, first: int, count: int) -> list[Line]:
        """The lines from number `first` on, at most `count` of them."""
        lines = Lines(first, count)
        for chunk in self._index.chunks[self._index.from_line(first) :]:
            header = chunk.header
            if not header.newlines and lines.needs_no_more_of(header.first):
                continue  # of half a gigabyte without a newline, 64 KiB are read
            lines.add(self._open(chunk).output, header.first, header.milliseconds / 1000)
            if lines.full:
                break
        return lines.found()

    def piece(self, number: int) -> bytes | None:
        """The output of a chunk."""
        chunks = self._index.chunks
        return self._open(chunks[number]).output if number < len(chunks) else None

    def outline(self) -> bytes:
        """What its writer kept in its end."""
        chunks = self._index.chunks
        kept = chunks and Flags.OUTLINE in chunks[-1].header.flags
        return self._open(chunks[-1]).outline if kept else b""

    def marks(self, most: int | None = None) -> list[Mark]:
        """Every mark, in order."""
        found: list[Mark] = []
        for chunk in self._index.chunks:
            if Flags.MARKS in chunk.header.flags:
                for mark in self._marks(chunk):
                    if most is not None and (most := most - len(mark.text) - MARK_ITSELF) < 0:
                        return found
                    found.append(mark)
        return found

    def search(
        self, text: str, *, first: int = 1, limit: int = 1000, ignore_case: bool = False
    ) -> list[Found]:
        """The lines from number `first` on that hold this text, at most `limit` of them."""
        search = Search(text, first=first, limit=limit, ignore_case=ignore_case)
        for chunk, output in self._outputs(first):
            search.add(output, chunk.header.first)
            if search.full:
                break
        return search.found

    def summary(self) -> LogSummary:
        """Computed anew from the file; every chunk is opened."""
        size = sum(len(output) for _, output in self._outputs(1))
        digest = hashlib.sha256()
        position, end = 0, self._index.chunks[-1].end if self._index.chunks else 0
        while piece := os.pread(self._file, min(_PIECE, end - position), position):
            digest.update(piece)
            position += len(piece)
        chunks = len(self._index.chunks)
        return LogSummary(
            self._build_id, self.lines, size, chunks, f"sha256:{digest.hexdigest()}", self.complete
        )

    def close(self) -> None:
        """Let go of the file and of the key. May be called twice."""
        self._cipher = None
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        if getattr(self, "_file", -1) >= 0:
            self.close()

    def __enter__(self) -> SealedLogReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _outputs(self, first: int) -> Iterator[tuple[Chunk, bytes]]:
        """The output of each chunk from the one with line `first` on."""
        for chunk in self._index.chunks[self._index.from_line(first) :]:
            yield chunk, self._open(chunk).output

    def _marks(self, chunk: Chunk) -> list[Mark]:
        """Those of a chunk, of which its writer may have made anything."""
        marks = self._open(chunk).marks
        try:
            told = json.loads(marks)
            return [_mark(each) for each in told]
        except (ValueError, TypeError, RecursionError) as error:
            raise self._altered(f"the marks of chunk {chunk.header.number} are none") from error

    def _open(self, chunk: Chunk) -> Body:
        cipher = self._cipher
        if cipher is None:
            raise ValueError("this log was closed")
        sealed = os.pread(self._file, chunk.header.length, chunk.offset)
        try:
            return decode_body(cipher.open(chunk.header, sealed), chunk.header.flags)
        except (DoesNotOpen, ValueError) as error:
            raise self._altered(f"chunk {chunk.header.number} does not open") from error

    def _altered(self, why: str) -> PermanentError:
        return PermanentError(
            f"the log of build {self._build_id} is not what was kept, or the key is another's",
            details=f"{self._path}: {why}",
            resolution="Restore the file from its backup.",
        )


def _mark(told: object) -> Mark:
    """ValueError if that is none."""
    if not isinstance(told, list) or [type(each) for each in told] != [int, int, str]:
        raise ValueError("not a mark")
    line, at, text = told
    if not (0 < line < 2**63 and 0 <= at < 2**53):
        raise ValueError("not a mark")
    return Mark(line, at / 1000, text)
