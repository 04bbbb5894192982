"""What stands between the letters of a secret and is none of it: a terminal's escapes, ends of lines.

`grep --color` marks its match in the middle of a value, a terminal's program breaks a long one where its
window ends. So the stream is also looked at as if none of that were there. A gap is a run of such bytes;
`LONGEST_GAP` bounds the gap within a secret, so that escapes without end hold nothing back.

An escape is read as a terminal reads it: from its beginning, byte by byte, never taken back. So where a
stream is split makes no difference, and of an escape that goes on only `introducer` has to be remembered.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from functools import cached_property
from itertools import accumulate

from sealock.livelog.needles import LONGEST_NEEDLE, Interval

LONGEST_GAP = 256
"""Bytes between two letters of a secret. Colours are 5 to 40, a link has its address in it."""

FEWEST_BEFORE_A_BREAK = 8
"""Letters of a secret at the end of a line for which the line waits. With fewer it would wait again and
again, so these are shown, and what is on the following lines is masked; a shorter text is not looked for
across lines."""

# Control sequences (ESC [ … letter), strings (ESC ] … BEL, or up to ESC \), and all others; ended or not.
_REST = (
    rb"(?:\[[\x20-\x3f]*+[\x40-\x7e]?+|[\]PX^_][^\x07\x18\x1a\x1b\r\n]*+\x07?+|[\x20-\x2f]*+[\x30-\x7e]?+)"
)
_ESCAPE = re.compile(rb"\x1b" + _REST)
# The set before all else is what makes the search fast.
_GAPS = re.compile(rb"([\x1b\r\n](?:(?<=\x1b)" + _REST + rb")?+(?:[\r\n]|\x1b" + _REST + rb")*+)")
_ESCAPES = re.compile(rb"(?:\x1b" + _REST + rb")*+")
_UNFINISHED = re.compile(rb"\x1b(?:\[[\x20-\x3f]*+|[\]PX^_][^\x07\x18\x1a\x1b\r\n]*+|[\x20-\x2f]*+)")
_ENDS = (512, 4096)
"""Bytes of a stream's end that are looked at first."""
_LINE_END = re.compile(rb"[\r\n]")
_LINE_ENDS = b"\r\n"


def joined(text: bytes) -> bytes:
    """The text without its ends of lines."""
    return text.translate(None, _LINE_ENDS)


def _shown(text: bytes) -> bytes:
    """The text without its gaps."""
    return joined(b"".join(_ESCAPE.split(text)) if b"\x1b" in text else text)


def only_escapes(data: bytes) -> bool:
    """Whether a terminal shows nothing of it and goes to no other line."""
    return _ESCAPES.fullmatch(data) is not None


def introducer(data: bytes) -> bytes:
    """How the escape begins that goes on where `data` ends, which is all there is to know. Empty if none."""
    begin = data.rfind(b"\x1b")
    return data[begin : begin + 2] if begin >= 0 and _UNFINISHED.fullmatch(data, begin) else b""


class Joined:
    """A stream without its gaps. text: what is left, in which positions count unless said otherwise."""

    def __init__(self, stream: bytes) -> None:
        self._stream = stream
        self.text = _shown(stream)

    def shown_from(self, begin: int, behind: int) -> int | None:
        """From where on what was found from `begin` to `behind` is masked; None if it does not count."""
        breaks = self._all.breaks(begin, behind)
        if breaks is None or (breaks and behind - begin < FEWEST_BEFORE_A_BREAK):
            return None
        return _behind_early_breaks(begin, breaks)

    def places(self, begin: int, behind: int) -> list[Interval]:
        """Where in the stream the stretches between the gaps are, from `begin` to `behind`."""
        return self._all.places(begin, behind)

    def held_from(self, begin: int) -> int | None:
        """Where in the stream to hold back for what begins at `begin`, within a needle's length of the end,
        and may go on; None if nothing can follow it."""
        breaks = self._last.breaks(begin, len(self.text) + 1)
        return None if breaks is None else self._place(_behind_early_breaks(begin, breaks))

    def kept_from(self, begin: int) -> bytes:
        """The end of the stream from this position on; only an unfinished escape where it is the end."""
        return self._stream[self._place(begin) :] if begin < len(self.text) else introducer(self._stream)

    def _place(self, position: int) -> int:
        return len(self._stream) if position == len(self.text) else self._last.place(position)

    @cached_property
    def _all(self) -> _Table:
        return _Table(_GAPS.split(self._stream), 0, 0)

    @cached_property
    def _last(self) -> _Table:
        """Of the end alone, which is all that is needed where nothing is found: of as many whole lines as
        have a needle's length in them, since with a line every escape ends."""
        for size in _ENDS:
            at = max(0, self._stream.rfind(b"\n", 0, max(0, len(self._stream) - size)))
            parts = _GAPS.split(self._stream[at:])
            letters = sum(map(len, parts[::2]))
            if letters >= LONGEST_NEEDLE and at:
                return _Table(parts, len(self.text) - letters, at)
        return self._all


class _Table:
    """Where the texts and gaps of `parts` are. letters, at: where they begin, without gaps and with them."""

    def __init__(self, parts: list[bytes], letters: int, at: int) -> None:
        self._gaps = parts[1::2]
        self._ends = [end + letters for end in accumulate(map(len, parts[::2]))]
        begins = [at, *(begin + at for begin in list(accumulate(map(len, parts)))[1::2])]
        self._offsets = [begin - end for begin, end in zip(begins, [letters, *self._ends], strict=False)]

    def breaks(self, begin: int, behind: int) -> list[int] | None:
        """Before which positions between these a line ends. None if a gap between them is too long."""
        gaps = range(bisect_right(self._ends, begin), min(bisect_left(self._ends, behind), len(self._gaps)))
        if any(len(self._gaps[each]) > LONGEST_GAP for each in gaps):
            return None
        return [self._ends[each] for each in gaps if _LINE_END.search(self._gaps[each])]

    def place(self, position: int) -> int:
        """In the stream, behind the gap before it."""
        return position + self._offsets[bisect_right(self._ends, position)]

    def places(self, begin: int, behind: int) -> list[Interval]:
        """Where in the stream the stretches between the gaps are."""
        stretches = []
        for part in range(bisect_right(self._ends, begin), bisect_left(self._ends, behind) + 1):
            stop = min(behind, self._ends[part])
            stretches.append((begin + self._offsets[part], stop + self._offsets[part]))
            begin = stop
        return stretches


def _behind_early_breaks(begin: int, breaks: list[int]) -> int:
    early = [place for place in breaks if place - begin < FEWEST_BEFORE_A_BREAK]
    return early[-1] if early else begin
