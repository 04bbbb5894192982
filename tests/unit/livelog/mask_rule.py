"""What becomes of a masked stream, by the rule alone: byte by byte, and as slow as that is."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import Enum, auto

from sealock.core.masking import why_not_masked
from sealock.livelog.mask_search import LONGEST_SHOWN_BEGINNING

LONGEST_GAP = 256
FEWEST_BEFORE_A_BREAK = 8
NEWLINE = ord("\n")


class Kind(Enum):
    LETTER = auto()
    ESCAPE = auto()
    BREAK = auto()


class Terminal:
    """Says of one byte after the other what it is to a terminal."""

    def __init__(self) -> None:
        self._within = ""

    def kind(self, byte: int) -> Kind:
        within, self._within = self._within, ""
        if byte == 0x1B:
            self._within = "escape"
            return Kind.ESCAPE
        if byte in b"\r\n":
            return Kind.BREAK
        goes_on = {
            "": False,
            "escape": 0x20 <= byte <= 0x7E,
            "control": 0x20 <= byte <= 0x7E,
            "charset": 0x20 <= byte <= 0x7E,
            "string": byte not in (0x18, 0x1A),
        }[within]
        if not goes_on:
            return Kind.LETTER
        self._within = self._next(within, byte)
        return Kind.ESCAPE

    def _next(self, within: str, byte: int) -> str:
        if within == "escape" and byte == ord("["):
            return "control"
        if within == "escape" and byte in b"]PX^_":
            return "string"
        if within == "string":
            return "" if byte == 0x07 else "string"
        if within == "control":
            return "control" if byte < 0x40 else ""
        return "charset" if byte < 0x30 else ""


def is_masked(secret: bytes) -> bool:
    """Whether it is looked for at all: one that is not, such as `aaaa`, has a warning and no spellings."""
    return why_not_masked(secret) is None


def expected(stream: bytes, texts: Collection[bytes]) -> bytes:
    """Whatever any text covers, with or without what stands between its letters, and a beginning at the end,
    is masked. texts: each no longer than a needle."""
    covered = _covered(stream, texts)
    shown, starred, terminal = bytearray(), False, Terminal()
    for place, byte in enumerate(stream):
        if covered[place] and byte != NEWLINE:
            shown += b"" if starred else b"***"
            starred, terminal = True, Terminal()
            continue
        shown.append(byte)
        starred = starred and byte != NEWLINE and terminal.kind(byte) is Kind.ESCAPE
    return bytes(shown)


def _covered(stream: bytes, texts: Collection[bytes]) -> list[bool]:
    covered = [False] * len(stream)
    for begin in range(len(stream)):
        for text in texts:
            if stream.startswith(text, begin):
                covered[begin : begin + len(text)] = [True] * len(text)
    begin = next((each for each in range(len(stream)) if _opens(stream[each:], texts)), len(stream))
    for place in range(begin, begin + _cut_off(stream[begin:])):
        covered[place] = True
    for place in _without_gaps(stream, {text.translate(None, b"\r\n") for text in texts}):
        covered[place] = True
    return covered


def _opens(end: bytes, texts: Collection[bytes]) -> bool:
    return any(len(text) > len(end) and text.startswith(end) for text in texts)


def _cut_off(rest: bytes) -> int:
    bare = rest.rstrip()
    return len(bare) if len(bare) > LONGEST_SHOWN_BEGINNING and len(set(bare)) >= 4 else 0


def _without_gaps(stream: bytes, texts: Collection[bytes]) -> Iterator[int]:
    terminal = Terminal()
    kinds = [terminal.kind(byte) for byte in stream]
    places = [place for place, kind in enumerate(kinds) if kind is Kind.LETTER]
    letters = bytes(stream[place] for place in places)
    for begin in range(len(letters)):
        for text in texts:
            if len(text) >= 4 and letters.startswith(text, begin):
                found = places[begin : begin + len(text)]
                breaks = _breaks(kinds, found)
                if breaks is not None and not (breaks and len(text) < FEWEST_BEFORE_A_BREAK):
                    yield from found[_early(breaks) :]
    for begin in range(len(letters)):
        found = [*places[begin:], len(stream)]
        if _opens(letters[begin:], texts) and (breaks := _breaks(kinds, found)) is not None:
            yield from found[_early(breaks) : max(_early(breaks), _cut_off(letters[begin:]))]
            return


def _breaks(kinds: list[Kind], places: list[int]) -> list[int] | None:
    """Before which of these letters a line ends. None if more stands between two of them than may."""
    breaks = []
    for number in range(1, len(places)):
        gap = kinds[places[number - 1] + 1 : places[number]]
        if len(gap) > LONGEST_GAP:
            return None
        if Kind.BREAK in gap:
            breaks.append(number)
    return breaks


def _early(breaks: list[int]) -> int:
    return max((each for each in breaks if each < FEWEST_BEFORE_A_BREAK), default=0)
