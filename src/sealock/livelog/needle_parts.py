"""Finds needles by that part of each which ordinary output has least.

A search that knows many needles is slow where each character begins some of them, as it is with a key in
Base64: it goes from one state to the next in a table that no cache holds. So of each needle it is given a
part that begins with a rare byte, and stays where it is for nearly all output. Where a part is found, the
needle around it is compared. What is found is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ahocorasick_rs import BytesAhoCorasick, Implementation

# By how often compilers, test runners and installers of packages print them; the rarest are the last.
_ORDINARY = (
    b" .etsnoiarclp/d_-ughymb12+kf3w0xv:64=S[]7()8AD9E%,5FCP\"><jT|IG'NRqOW;MHBL\\@zU^V*{}~#JKYQX`?&Z$!"
)
_RARITY = bytes(_ORDINARY.find(bytes([byte])) % 256 for byte in range(256))
"""Of each byte; one that is not printable is the rarest."""

_SHORTEST_PART, _LONGEST_PART = 8, 16
"""Bytes: with fewer a part would be found where its needle is not, with more the table would be large."""

_MOST_WITH_ONE_PART = 8
"""Needles that are compared where their part is found; of more than these each is looked for as a whole."""

_LARGEST_TABLE = 80 * 1024
"""Bytes of parts for which the faster, larger automaton is made: about half a kilobyte a byte."""

Found = tuple[bytes, int, int]
"""A needle, its begin and its end."""

_Around = tuple[bytes, int]
"""A needle, and where in it its part begins."""


class NeedleParts:
    """Needles, of any length but none."""

    def __init__(self, needles: Iterable[bytes]) -> None:
        around = _around(needles)
        self._around = [around[part] for part in sorted(around)]
        size = sum(map(len, around))
        self._automaton = BytesAhoCorasick(
            sorted(around),
            implementation=Implementation.DFA if size <= _LARGEST_TABLE else Implementation.ContiguousNFA,
        )

    def find(self, stream: bytes) -> list[Found]:
        """All that stand in it, also over one another, by their end."""
        parts = self._automaton.find_matches_as_indexes(stream, overlapping=True)
        return sorted(self._whole(stream, parts), key=lambda found: found[2]) if parts else []

    def _whole(self, stream: bytes, parts: Sequence[tuple[int, int, int]]) -> Iterator[Found]:
        for number, begin, _ in parts:
            for needle, before in self._around[number]:
                if before <= begin and stream.startswith(needle, begin - before):
                    yield needle, begin - before, begin - before + len(needle)


def _around(needles: Iterable[bytes]) -> Mapping[bytes, Sequence[_Around]]:
    """The parts to look for, and which needles are around each."""
    found: dict[bytes, list[_Around]] = {}
    for needle in needles:
        begin = _rarest(needle)
        found.setdefault(needle[begin : begin + _LONGEST_PART], []).append((needle, begin))
    crowded = [part for part, around in found.items() if len(around) > _MOST_WITH_ONE_PART]
    for needle in [needle for part in crowded for needle, _ in found.pop(part)]:
        found.setdefault(needle, []).append((needle, 0))
    return found


def _rarest(needle: bytes) -> int:
    """Where in it the part begins."""
    rarities = needle[: max(1, len(needle) - _SHORTEST_PART + 1)].translate(_RARITY)
    return rarities.index(max(rarities))
