"""Replaces secrets in a stream, whatever way it is split.

Every byte of a secret that is found is masked, also where two of them overlap or one begins another;
what is masked without a gap is one `***`. Only newlines stay, so that no two lines become one: a secret of
three lines is three times `***`. What may still turn out to be the beginning of a needle is held
back: the longest end of the stream that a needle begins with.

If the stream goes idle there, the held bytes wait. They are few, and shown after a second they would
give away the secret that a slow program prints in two parts. At the end of the stream, where the rest
can come no more, a beginning of eight bytes or more is masked too: output that was cut off inside a
secret is no reason to show most of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sealock.core.secret import Secret
from sealock.livelog.needles import Interval, Needles, Place
from sealock.livelog.spellings import FEWEST_BYTES, spell

MASK = b"***"
LONGEST_SHOWN_BEGINNING = 7
"""Bytes of a secret's beginning that may be shown where the stream ends."""


class StreamMasker:
    """Masks one stream (`core.log.Masker`). The secrets stay in its memory as long as it lives."""

    def __init__(self) -> None:
        self._texts: set[bytes] = set()
        self._needles: Needles | None = None
        self._held = b""
        self._covered = 0  # how many of the held bytes belong to what was found already
        self._starred = False  # a `***` was the last that was released
        self._following: list[Place] = []

    def add(self, name: str, secret: Secret) -> str | None:
        """Mask this one too, from the next byte on; returns a warning if it cannot be, or not fully."""
        spelled = spell(name, secret.reveal())
        self._texts |= spelled.texts
        self._needles = None
        return spelled.warning

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; returns those that are certain, masked."""
        stream = self._held + data if self._held else data
        needles = self._prepared()
        if needles is None:
            return stream
        end = needles.open_end(stream)
        since = len(self._held)
        matches, self._following = needles.matches(stream, end, self._following, since)
        return self._release(stream, matches, end)

    def finish(self) -> bytes:
        """The rest, now that nothing follows."""
        stream, needles = self._held, self._prepared()
        if needles is None:
            return b""
        matches, _ = needles.matches(stream, len(stream))
        beginning = stream.rstrip()
        if len(beginning) > LONGEST_SHOWN_BEGINNING and len(set(beginning)) >= FEWEST_BYTES:
            matches = [(0, len(beginning)), *matches]
        rest = self._release(stream, matches, len(stream))
        self._starred, self._following = False, []
        return rest

    def text(self, text: str) -> str:
        """Mask a whole text that stands beside the stream."""
        needles = self._prepared()
        if needles is None:
            return text
        data = text.encode(errors="surrogateescape")
        matches, _ = needles.matches(data, len(data))
        released = b"".join(_Replacing(data, len(data), starred=False).replace(matches))
        return released.decode(errors="replace")

    def _prepared(self) -> Needles | None:
        if self._needles is None and self._texts:
            self._needles = Needles(self._texts)
        return self._needles

    def _release(self, stream: bytes, matches: Iterable[Interval], end: int) -> bytes:
        """All before `end`, masked; the rest is held."""
        replacing = _Replacing(stream, end, self._starred)
        released = b"".join(replacing.replace([(0, self._covered), *matches]))
        self._covered, self._starred = max(0, replacing.covered - end), replacing.starred
        self._held = stream[end:]
        return released


class _Replacing:
    """One piece of a stream, up to `end`. starred: the last part was a `***`. covered: how far what was
    found reaches, perhaps past `end`."""

    def __init__(self, stream: bytes, end: int, starred: bool) -> None:
        self._stream = stream
        self._end = end
        self._at = 0
        self.starred = starred
        self.covered = 0

    def replace(self, matches: Iterable[Interval]) -> Iterator[bytes]:
        """The masked piece, in parts. matches: by their begin."""
        for begin, behind in matches:
            self.covered = max(self.covered, behind)
            yield from self._show(min(begin, self._end))
            yield from self._hide(min(behind, self._end))
        yield from self._show(self._end)

    def _show(self, until: int) -> Iterator[bytes]:
        if until > self._at:
            yield self._stream[self._at : until]
            self._at, self.starred = until, False

    def _hide(self, until: int) -> Iterator[bytes]:
        if until > self._at:
            for number, line in enumerate(self._stream[self._at : until].split(b"\n")):
                if number:
                    yield b"\n"
                    self.starred = False
                if line and not self.starred:
                    yield MASK
                    self.starred = True
            self._at = until
