"""Answers that are made piece by piece, and what becomes of them when the reader goes away or may read no
further.

What gives the pieces holds something open, a log for example. It is closed when the answer ends, however it
ends, and not at some time later. And it may take as long as the reader likes: so it is asked again and again
whether they may still read, as it is for streams of events.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

from anyio import CancelScope
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

log = logging.getLogger(__name__)

LOOK_AGAIN = 15.0
"""Seconds after which it is asked again whether the reader may read."""

Still = Callable[[], Awaitable[bool]]
"""Whether who was let in would be let in now."""


class ReadsNoFurther(Exception):
    """Who reads may not any more."""


async def while_allowed(pieces: AsyncIterator[bytes], still: Still) -> AsyncGenerator[bytes, None]:
    """The pieces, for as long as they may be read; then ReadsNoFurther. They are closed at the end."""
    looked = time.monotonic()
    try:
        async for piece in pieces:
            if time.monotonic() - looked >= LOOK_AGAIN:
                looked = time.monotonic()
                if not await still():
                    raise ReadsNoFurther
            yield piece
    finally:
        if close := getattr(pieces, "aclose", None):
            with CancelScope(shield=True):
                await close()


class ClosingResponse(StreamingResponse):
    """pieces: closed with the answer. On ReadsNoFurther the answer is left without its end and the connection
    closed: half a log must not pass for a whole one."""

    def __init__(self, pieces: AsyncGenerator[Any, None], status_code: int = 200, **more: Any) -> None:
        super().__init__(pieces, status_code, **more)
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except ReadsNoFurther:
            log.warning("an answer was cut: who read it may not any more")
        finally:
            with CancelScope(shield=True):
                await self._pieces.aclose()
