"""Server-sent events: how one is written, and a stream that is never silent for long.

id: 120                                 to come back with, as Last-Event-ID
event: line
data: {"number": 120, "text": …}

: still here                            while nothing comes
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

from anyio import CancelScope

KEEP_ALIVE = 15.0
"""Seconds of silence after which a comment says that the stream is there, for whoever stands between."""
COMMENT = b": still here\n\n"
MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

T = TypeVar("T")


def event(name: str, data: object, *, identity: str = "") -> bytes:
    """One event. Its data is JSON: no line break outside its texts, and inside they are spelled."""
    told = f"id: {identity}\n" if identity else ""
    return f"{told}event: {name}\ndata: {json.dumps(data)}\n\n".encode()


async def with_pauses(source: AsyncIterator[T], seconds: float) -> AsyncGenerator[T | None, None]:
    """What the source gives, and None whenever that long nothing came. The source is closed at the end."""
    coming: asyncio.Future[T] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(source))
            await asyncio.wait((coming,), timeout=seconds)
            if not coming.done():
                yield None
                continue
            done, coming = coming, None
            try:
                item = done.result()
            except StopAsyncIteration:
                return
            yield item
    finally:
        # A reader who goes away cancels each wait anew; a source that still runs cannot be closed.
        with CancelScope(shield=True):
            await _left(coming)
            if close := getattr(source, "aclose", None):
                await close()


async def _left(coming: asyncio.Future[T] | None) -> None:
    """Nobody waits for this any more."""
    if coming is None:
        return
    coming.cancel()
    await asyncio.wait((coming,))
    if not coming.cancelled():
        coming.exception()
