"""Streams that stay open, such as a live log, and their end when the website stops.

A server that waits for its connections to end would wait for ever for a browser that follows a build. So
the streams are ended first; browsers connect anew, to whatever is there by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class Streams:
    """All streams of one website."""

    def __init__(self) -> None:
        self._ending = asyncio.Event()

    def end(self) -> None:
        """End every stream, and each that is begun from now on."""
        self._ending.set()

    async def follow(self, source: AsyncIterator[T]) -> AsyncIterator[T]:
        """What the source gives, until it ends or the website does; then the source is closed."""
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            while not self._ending.is_set():
                coming = asyncio.ensure_future(anext(source))
                try:
                    await asyncio.wait((coming, ending), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    if not coming.done():
                        coming.cancel()
                        with suppress(asyncio.CancelledError):
                            await coming
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
                await close()
