"""Where each chunk of a sealed log lies and which lines it holds, from the headers alone.

Headers are read without the key and believed for now: they must fit one another, and each is
authenticated when its chunk is opened. Whoever changes one so that a reader goes to a wrong place makes
the reader open a chunk that does not open.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from dataclasses import dataclass

from sealock.livelog.format import (
    FILE_HEADER_LENGTH,
    TAG_LENGTH,
    ChunkHeader,
    FileHeader,
    Flags,
)

MOST_CHUNKS = 400_000
"""Of one log. One that is kept twice a second for a day has 172,800; of the smallest ones that can be made, a
gigabyte would be ten million, and each is held in memory while its log is open."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """offset: of its sealed body in the file."""

    header: ChunkHeader
    offset: int

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.offset + self.header.length


class Index:
    """The chunks of an open file. ValueError, from its making or from `extend`, if it was altered."""

    def __init__(self, file: int) -> None:
        self._file = file
        self.file_header = FileHeader.decode(os.pread(file, FILE_HEADER_LENGTH, 0))
        self.chunks: list[Chunk] = []
        self._firsts: list[int] = []

    def copy_for(self, file: int) -> Index:
        """One of its own for the same file, opened anew."""
        copied = Index.__new__(Index)
        copied._file, copied.file_header = file, self.file_header
        copied.chunks, copied._firsts = list(self.chunks), list(self._firsts)
        return copied

    def extend(self) -> None:
        """Take in whole chunks that were added. What is torn at the end is left."""
        size = os.fstat(self._file).st_size
        while (chunk := self._next(size)) is not None:
            self._check(chunk)
            self.chunks.append(chunk)
            self._firsts.append(chunk.header.first)

    @property
    def complete(self) -> bool:
        """The last chunk says that it is the final one."""
        return bool(self.chunks) and Flags.FINAL in self.chunks[-1].header.flags

    @property
    def lines(self) -> int:
        """How many lines there are, an unfinished one at the end included."""
        if not self.chunks:
            return 0
        last = self.chunks[-1].header
        return last.first - 1 + last.newlines + (Flags.UNFINISHED in last.flags)

    def from_line(self, number: int) -> int:
        """The position of the first chunk that may hold a byte of that line."""
        return max(0, bisect_left(self._firsts, number) - 1)

    def _next(self, size: int) -> Chunk | None:
        start = self.chunks[-1].end if self.chunks else FILE_HEADER_LENGTH
        if size - start < ChunkHeader.LENGTH:
            return None
        header = os.pread(self._file, ChunkHeader.LENGTH, start)
        if not any(header) and self._is_zero(start, size):
            return None  # a file that a power cut left longer than what had been written ends with zeros
        chunk = Chunk(ChunkHeader.decode(header), start + ChunkHeader.LENGTH)
        if chunk.end > size or (chunk.end == size and self._is_zero(size - TAG_LENGTH, size)):
            return None
        return chunk

    def _is_zero(self, start: int, end: int) -> bool:
        return not any(os.pread(self._file, end - start, start))

    def _check(self, chunk: Chunk) -> None:
        header = chunk.header
        if self.complete:
            raise ValueError("something follows behind its end")
        if header.number >= MOST_CHUNKS:
            raise ValueError(f"it has more than {MOST_CHUNKS} chunks")
        if header.number != len(self.chunks):
            raise ValueError(f"chunk {len(self.chunks)} is not where it belongs")
        before = self.chunks[-1].header if self.chunks else None
        if header.first != (before.first + before.newlines if before else 1):
            raise ValueError(f"chunk {header.number} does not follow the one before it")
