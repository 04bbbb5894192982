"""Replaces secrets in a stream, whatever way it is split.

Every byte of a secret that is found is masked, also where two of them overlap or one begins another;
what is masked without a gap is one `***`. Newlines stay, so that no two lines become one: a secret of
three lines is three times `***`. So do a terminal's escapes that stand between the letters of a secret
(`mask_gaps`): what is around it keeps its look.

What may still turn out to be the beginning of a secret is held back: the longest end of the stream that a
needle begins with. If the stream goes idle there, the held bytes wait. They are few, and shown after a
second they would give away the secret that a slow program prints in two parts. At the end of the stream,
where the rest can come no more, a beginning of eight bytes or more is masked too: output that was cut off
inside a secret is no reason to show most of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sealock.core.secret import Secret
from sealock.livelog.mask_gaps import introducer, only_escapes
from sealock.livelog.mask_search import SearchAsItIs, SearchJoined, joined_needles
from sealock.livelog.needles import Interval, Needles
from sealock.livelog.spellings import spell

MASK = b"***"


class StreamMasker:
    """Masks one stream (`core.log.Masker`). The secrets stay in its memory as long as it lives."""

    def __init__(self) -> None:
        self._texts: set[bytes] = set()
        self._wanted: _Wanted | None = None
        self._stream = _Stream()

    def add(self, name: str, secret: Secret) -> str | None:
        """Mask this one too, from the next byte on; returns a warning if it cannot be, or not fully."""
        spelled = spell(name, secret.reveal())
        self._texts |= spelled.texts
        self._wanted = None
        return spelled.warning

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; returns those that are certain, masked."""
        wanted = self._prepared()
        return data if wanted is None else self._stream.feed(wanted, data)

    def finish(self) -> bytes:
        """The rest, now that nothing follows."""
        wanted, stream, self._stream = self._prepared(), self._stream, _Stream()
        return b"" if wanted is None else stream.finish(wanted)

    def text(self, text: str) -> str:
        """Mask a whole text that stands beside the stream."""
        wanted, stream = self._prepared(), _Stream()
        if wanted is None:
            return text
        data = text.encode(errors="surrogateescape")
        return (stream.feed(wanted, data) + stream.finish(wanted, cut_off=False)).decode(errors="replace")

    def _prepared(self) -> _Wanted | None:
        if self._wanted is None and self._texts:
            self._wanted = _Wanted(Needles(self._texts), joined_needles(self._texts))
        return self._wanted


class _Wanted(NamedTuple):
    """What each of the two searches looks for."""

    as_it_is: Needles
    joined: Needles


class _Stream:
    """One stream, and what of it is held back. Positions count from its beginning."""

    def __init__(self) -> None:
        self._as_it_is, self._joined = SearchAsItIs(), SearchJoined()
        self._held = b""
        self._at = 0  # where what is held begins
        self._found: list[Interval] = []  # in what is held
        self._replacing = _Replacing()

    def feed(self, wanted: _Wanted, data: bytes) -> bytes:
        """The next bytes; returns those that are certain."""
        self._held += data
        found, certain = self._as_it_is.feed(wanted.as_it_is, data)
        more, also_certain = self._joined.feed(wanted.joined, data)
        self._found += [*found, *more]
        return self._release(max(self._at, min(certain, also_certain)))

    def finish(self, wanted: _Wanted, *, cut_off: bool = True) -> bytes:
        """The rest. cut_off: it may end within a secret."""
        self._found += self._as_it_is.finish(wanted.as_it_is, cut_off=cut_off)
        self._found += self._joined.finish(wanted.joined, cut_off=cut_off)
        return self._release(self._at + len(self._held))

    def _release(self, until: int) -> bytes:
        """All before `until`, masked."""
        size = until - self._at
        found = [(max(self._at, begin), behind) for begin, behind in self._found if behind > self._at]
        found = sorted((begin - self._at, behind - self._at) for begin, behind in found)
        released = b"".join(self._replacing.replace(self._held[:size], found))
        self._found = [(begin, behind) for begin, behind in self._found if behind > until]
        self._held, self._at = self._held[size:], until
        return released


class _Replacing:
    """Puts together what is released, piece after piece."""

    def __init__(self) -> None:
        self._starred = False  # a `***` was the last that can be seen
        self._escape = b""  # how the escape behind it begins that goes on in the next piece

    def replace(self, piece: bytes, found: Iterable[Interval]) -> Iterator[bytes]:
        """The next piece, masked, in parts. found: by their begin; may reach past the piece."""
        at = 0
        for begin, behind in found:
            if at < min(begin, len(piece)):
                yield self._show(piece[at:begin])
            yield from self._hide(piece[max(at, begin) : behind])
            at = max(at, behind)
        if at < len(piece):
            yield self._show(piece[at:])

    def _show(self, part: bytes) -> bytes:
        if self._starred:
            self._starred = only_escapes(self._escape + part)
            self._escape = introducer(self._escape + part)
        return part

    def _hide(self, part: bytes) -> Iterator[bytes]:
        for number, line in enumerate(part.split(b"\n")):
            if number:
                yield b"\n"
                self._starred = False
            if line:
                self._escape = b""
                if not self._starred:
                    yield MASK
                    self._starred = True
