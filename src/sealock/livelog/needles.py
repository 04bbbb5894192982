"""Finds many texts at once in a stream of pieces, and says which bytes cannot be judged yet.

A short text is a needle as a whole. Of a long one, every so often, 32 bytes are a needle, and from where
such an anchor is found on the stream is followed along the text for as long as the two are the same,
over any number of pieces. So the search holds back less than `LONGEST_NEEDLE` bytes however long a text
is, a long text costs a few needles, and a long part of it is found as well as all of it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from ahocorasick_rs import BytesAhoCorasick

from sealock.livelog.needle_parts import NeedleParts
from sealock.livelog.spellings import FEWEST_BYTES

LONGEST_NEEDLE = 64
ANCHOR = 32

_STRIDES = ((2 * 1024, 32), (8 * 1024, 64), (128 * 1024, 256))
_WIDEST_STRIDE = 1024
"""Between anchors, by the text's length: what is printed of a text from its middle on is found from the
next anchor on."""

_QUICK_LOOK = 3
"""Bytes, fewer than any needle has, that tell most ends of a stream from every beginning of a needle."""

Interval = tuple[int, int]
"""Begin and end in a stream."""

Place = tuple[bytes, int]
"""Somewhere in a text."""

ShownFrom = Callable[[int, int], int | None]
"""Of a needle that was found, its begin and end: from where on it counts as found, or None if it does not."""


class Needles:
    """A set of texts to look for, at least one, each of four bytes or more."""

    def __init__(self, texts: Iterable[bytes]) -> None:
        self._places = dict(_places(texts))
        self._needles = sorted(self._places)
        self._parts = NeedleParts(self._needles)
        self._beginnings = BytesAhoCorasick(sorted({needle[:_QUICK_LOOK] for needle in self._needles}))

    def matches(
        self,
        stream: bytes,
        end: int,
        following: Sequence[Place] = (),
        since: int = 0,
        shown_from: ShownFrom = lambda begin, _: begin,
    ) -> tuple[list[Interval], list[Place]]:
        """What is found in the stream that begins before `end`, by its begin, and what it still follows
        where the stream ends.

        following: what an earlier piece, which ended at `since`, followed where it ended.
        """
        trail = _Trail(stream)
        found = [(since, trail.follow(text, offset, since)) for text, offset in following]
        for needle, begin, behind in self._parts.find(stream):
            if begin < end and (shown := shown_from(begin, behind)) is not None:
                found.append((shown, behind))
                found += [(shown, until) for until in trail.follow_all(self._places[needle], begin)]
        return sorted(found), trail.going_on

    def open_ends(self, stream: bytes) -> Iterator[int]:
        """Where ends of the stream begin that are a beginning of a needle, and not all of it, the longest
        first. Whatever begins before that one is decided: if it were open it would be a longer such end."""
        last = stream[-LONGEST_NEEDLE + 1 :]
        longer = self._beginnings.find_matches_as_indexes(last, overlapping=True)
        shorter = range(max(0, len(last) - _QUICK_LOOK + 1), len(last))
        for begin in (*(begin for _, begin, _ in longer), *shorter):
            end = last[begin:]
            # What begins with `end` stands right behind it in the order.
            position = bisect_right(self._needles, end)
            if position < len(self._needles) and self._needles[position].startswith(end):
                yield len(stream) - len(end)


class _Trail:
    """Texts that one piece of a stream is followed along. going_on: where those are that reach its end."""

    def __init__(self, stream: bytes) -> None:
        self._stream = stream
        self._until: dict[bytes, int] = {}
        self.going_on: list[Place] = []

    def follow(self, text: bytes, offset: int, begin: int) -> int:
        """Where the stream, the same as `text` from `offset` on at `begin`, is no longer so."""
        same = _same(self._stream, begin, text, offset)
        if begin + same == len(self._stream) and offset + same < len(text):
            self.going_on.append((text, offset + same))
        self._until[text] = max(begin + same, self._until.get(text, 0))
        return begin + same

    def follow_all(self, places: Sequence[Place], begin: int) -> Iterator[int]:
        """From an anchor on, until where. One that lies where its text is followed already is not followed
        anew: in a text that repeats itself there are as many of them as bytes."""
        for text, offset in places:
            if begin + ANCHOR > self._until.get(text, 0):
                yield self.follow(text, offset, begin)


def _same(stream: bytes, begin: int, text: bytes, offset: int) -> int:
    """How many bytes are the same from these two positions on."""
    most = min(len(stream) - begin, len(text) - offset)
    same, step = 0, 64
    while same < most and step:
        step = min(step, most - same)
        if stream[begin + same : begin + same + step] == text[offset + same : offset + same + step]:
            same, step = same + step, step * 2
        else:
            # The first difference lies within this step.
            most, step = same + step - 1, step // 2
    return same


def _places(texts: Iterable[bytes]) -> Iterator[tuple[bytes, list[Place]]]:
    """Each needle, and where in which long texts it stands: once in each, the first time."""
    places: dict[bytes, dict[bytes, int]] = {}
    for text in _without_beginnings(texts):
        if len(text) <= LONGEST_NEEDLE:
            places.setdefault(text, {})
        else:
            for start in _anchors(text):
                places.setdefault(text[start : start + ANCHOR], {}).setdefault(text, start)
    for needle, found in places.items():
        yield needle, list(found.items())


def _without_beginnings(texts: Iterable[bytes]) -> Iterator[bytes]:
    """Long texts that are the beginning of another are found by following that one."""
    ordered = sorted(texts)
    for text, following in zip(ordered, [*ordered[1:], b""], strict=True):
        if len(text) <= LONGEST_NEEDLE or not following.startswith(text):
            yield text


def _anchors(text: bytes) -> Iterator[int]:
    """Where a long text's anchors begin: at its start, every so often, and with each of its lines.

    One of the same few characters, such as a ruled line in a comment, would be found everywhere, so the
    next stretch that says more is taken.
    """
    if not _says_something(text):
        yield 0
        return
    stride = next((stride for longest, stride in _STRIDES if len(text) <= longest), _WIDEST_STRIDE)
    starts = set(range(0, len(text) - ANCHOR + 1, stride))
    if stride < _WIDEST_STRIDE:
        starts |= {line.end() for line in re.finditer(b"\n", text) if line.end() <= len(text) - ANCHOR}
    for start in starts:
        nearby = range(start, min(start + stride, len(text) - ANCHOR + 1), ANCHOR // 4)
        yield from islice((each for each in nearby if _says_something(text[each : each + ANCHOR])), 1)


def _says_something(text: bytes) -> bool:
    return len(set(text)) >= FEWEST_BYTES
