"""Two searches through one stream: as it is, and as if escapes and ends of lines were not there.

Each is given the stream's pieces, and says where in the whole stream something was found and from where on
nothing is certain yet. Positions count from the stream's beginning. What a search needs of earlier pieces
it keeps itself: as it is, fewer than 64 bytes; without gaps, as many letters and the gaps between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sealock.livelog.mask_gaps import Joined, joined
from sealock.livelog.needles import Interval, Needles, Place
from sealock.livelog.spellings import FEWEST_BYTES, SHORTEST

LONGEST_SHOWN_BEGINNING = 7
"""Bytes of a secret's beginning that may be shown where the stream ends."""


class Searched(NamedTuple):
    """found: by their begin. certain: the end of that part of the stream in which all is found."""

    found: list[Interval]
    certain: int


def joined_needles(texts: Iterable[bytes]) -> Needles:
    """What to look for where there are no ends of lines. texts: at least one without them."""
    return Needles({text for text in map(joined, texts) if len(text) >= SHORTEST})


class SearchAsItIs:
    """In the stream itself."""

    def __init__(self) -> None:
        self._kept = b""
        self._at = 0  # where in the stream what is kept begins
        self._following: Sequence[Place] = ()

    def feed(self, needles: Needles, data: bytes) -> Searched:
        """The next piece."""
        stream, since, at = self._kept + data, len(self._kept), self._at
        end = next(needles.open_ends(stream), len(stream))
        matches, self._following = needles.matches(stream, end, self._following, since)
        self._kept, self._at = stream[end:], at + end
        return Searched([(at + begin, at + behind) for begin, behind in matches], self._at)

    def finish(self, needles: Needles, *, cut_off: bool) -> list[Interval]:
        """What is in the rest, now that nothing follows. cut_off: it may end within a secret."""
        rest, at = self._kept, self._at
        matches, _ = needles.matches(rest, len(rest))
        found = [*_beginning(rest), *matches] if cut_off else matches
        return [(at + begin, at + behind) for begin, behind in found]


class SearchJoined:
    """In the stream without its gaps."""

    def __init__(self) -> None:
        self._kept = b""
        self._letters = 0  # how many of the kept bytes are in no gap
        self._end = 0
        self._following: Sequence[Place] = ()

    def feed(self, needles: Needles, data: bytes) -> Searched:
        """The next piece."""
        at = self._end - len(self._kept)
        self._end += len(data)
        seen = Joined(self._kept + data)
        letters, held = _open(needles, seen)
        # All of them: what is open may be shown already, where a line ended soon after it began.
        matches, self._following = needles.matches(
            seen.text, len(seen.text), self._following, self._letters, seen.shown_from
        )
        self._kept, self._letters = seen.kept_from(letters), len(seen.text) - letters
        return Searched(_moved(seen, matches, at), self._end if held is None else at + held)

    def finish(self, needles: Needles, *, cut_off: bool) -> list[Interval]:
        """What is in the rest, now that nothing follows. cut_off: it may end within a secret."""
        seen, at = Joined(self._kept), self._end - len(self._kept)
        matches, _ = needles.matches(seen.text, len(seen.text), shown_from=seen.shown_from)
        found = _moved(seen, matches, at)
        if cut_off:
            held = at + (seen.held_from(0) or 0)
            beginning = _moved(seen, _beginning(seen.text), at)
            found += [(max(begin, held), behind) for begin, behind in beginning if behind > held]
        return found


def _open(needles: Needles, seen: Joined) -> tuple[int, int | None]:
    """Where the longest beginning of a needle begins that may go on, in the text; and what is held for it."""
    for letters in needles.open_ends(seen.text):
        if (held := seen.held_from(letters)) is not None:
            return letters, held
    return len(seen.text), None


def _moved(seen: Joined, matches: Iterable[Interval], at: int) -> list[Interval]:
    return [(at + begin, at + behind) for match in matches for begin, behind in seen.places(*match)]


def _beginning(rest: bytes) -> list[Interval]:
    """What the stream ends in may be the beginning of a secret, and is masked if that would show much."""
    bare = rest.rstrip()
    many = len(bare) > LONGEST_SHOWN_BEGINNING and len(set(bare)) >= FEWEST_BYTES
    return [(0, len(bare))] if many else []
