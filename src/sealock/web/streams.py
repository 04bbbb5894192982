"""Streams that stay open, such as a live log, and their end when the website stops.

A server that waits for its connections to end would wait for ever for a browser that follows a build. So
the streams are ended first; browsers connect anew, to whatever is there by then. And nobody holds more than
some of them, since each costs a connection and a log that is held open.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TypeVar

import anyio

T = TypeVar("T")

MOST_STREAMS = 24
"""Of one person at once. A build's page holds two, and a browser no more than six to one server."""


class Streams:
    """All streams of one website. most: of one person at once."""

    def __init__(self, most: int = MOST_STREAMS) -> None:
        self._ending = asyncio.Event()
        self._most = most
        self._held: Counter[str] = Counter()

    def end(self) -> None:
        """End every stream, and each that is begun from now on."""
        self._ending.set()

    @contextmanager
    def seat(self, person: str) -> Iterator[bool]:
        """A stream for a person while the block runs; False if they have as many as they may."""
        if self._held[person] >= self._most:
            yield False
            return
        self._held[person] += 1
        try:
            yield True
        finally:
            self._held[person] -= 1
            if not self._held[person]:
                del self._held[person]

    async def follow(self, source: AsyncIterator[T]) -> AsyncGenerator[T, None]:
        """What the source gives, until it ends or the website does; then the source is closed."""
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            while not self._ending.is_set():
                coming = asyncio.ensure_future(anext(source))
                try:
                    await asyncio.wait((coming, ending), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    coming.cancel()  # does nothing to one that is done
                    # The source may end just when we are: nobody would ask for that any more. A reader who
                    # goes away cancels each wait anew, and a source that still runs cannot be closed.
                    with anyio.CancelScope(shield=True):
                        await asyncio.wait((coming,))
                    if not coming.cancelled():
                        coming.exception()
                if coming.cancelled():
                    return
                try:
                    item = coming.result()
                except StopAsyncIteration:
                    return
                yield item
        finally:
            ending.cancel()
            if close := getattr(source, "aclose", None):
                with anyio.CancelScope(shield=True):
                    await close()
