"""Searches the memory of a process from outside: for a machine's process, all that its guest has."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_PIECE = 4 << 20
_PRESENT = 1 << 63
_RANGE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r.*? (\S*)$")


def found_in(pid: int, needles: Sequence[bytes]) -> set[bytes]:
    """Which of the needles lie in the process's memory. Only pages that it has touched are read: reading
    others would make them."""
    pattern = re.compile(b"|".join(re.escape(needle) for needle in needles))
    longest = max(map(len, needles))
    found: set[bytes] = set()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for start, end in _touched(pid):
            overlap = b""
            for offset in range(start, end, _PIECE):
                memory.seek(offset)
                try:
                    piece = overlap + memory.read(min(_PIECE, end - offset))
                except OSError:
                    if _is_there(pid, offset):
                        raise
                    break  # the process gave it back while we looked
                found.update(match[0] for match in pattern.finditer(piece))
                overlap = piece[-(longest - 1) :]
    return found


def _is_there(pid: int, address: int) -> bool:
    """Whether the process has memory there that can be read."""
    matches = filter(None, map(_RANGE.match, Path(f"/proc/{pid}/maps").read_text().splitlines()))
    return any(int(each[1], 16) <= address < int(each[2], 16) for each in matches)


def _touched(pid: int) -> Iterator[tuple[int, int]]:
    """Runs of present pages, as (start, end)."""
    with Path(f"/proc/{pid}/pagemap").open("rb", buffering=0) as pagemap:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            matched = _RANGE.match(line)
            if matched and matched[3] not in {"[vvar]", "[vsyscall]", "[vvar_vclock]"}:
                first, last = int(matched[1], 16) // _PAGE, int(matched[2], 16) // _PAGE
                yield from _present(pagemap.fileno(), first, last)


def _present(pagemap: int, first: int, last: int) -> Iterator[tuple[int, int]]:
    begun: int | None = None
    for block in range(first, last, 65536):
        count = min(65536, last - block)
        entries = struct.unpack(f"<{count}Q", os.pread(pagemap, 8 * count, 8 * block))
        for number, entry in enumerate(entries, block):
            if entry & _PRESENT and begun is None:
                begun = number
            elif not entry & _PRESENT and begun is not None:
                yield begun * _PAGE, number * _PAGE
                begun = None
    if begun is not None:
        yield begun * _PAGE, last * _PAGE
