"""Answers that are made piece by piece, and what becomes of them when the reader goes away.

What gives the pieces holds something open, a log for example. It is closed when the answer ends, however it
ends, and not at some time later.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from anyio import CancelScope
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class ClosingResponse(StreamingResponse):
    """pieces: closed with the answer."""

    def __init__(self, pieces: AsyncGenerator[Any, None], **more: Any) -> None:
        super().__init__(pieces, **more)
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with CancelScope(shield=True):
                await self._pieces.aclose()
