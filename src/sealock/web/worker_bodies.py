"""Reads what a worker sends, no more of it than there may be, and answers in the words of the wire."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from sealock.builds.worker_wire import LONGEST_SMALL, Message, decode, encode

BODY_SECONDS = 60.0
"""For a body to arrive."""

Said = TypeVar("Said", bound=Message)


async def body_of(request: Request, longest: int) -> bytes:
    """The body, of at most so many bytes."""
    found = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                found += piece
                if len(found) > longest:
                    raise HTTPException(413, f"At most {longest} bytes are taken here.")
    except TimeoutError as error:
        raise HTTPException(408, "The request took too long to arrive.") from error
    except ClientDisconnect as error:
        raise HTTPException(400, "The request ended early.") from error
    return bytes(found)


async def message_of(request: Request, kind: type[Said], longest: int = LONGEST_SMALL) -> Said:
    """The message in the body. UsageError."""
    return decode(kind, await body_of(request, longest))


def said(message: Message) -> Response:
    """An answer."""
    return Response(encode(message), media_type="application/json")


def bytes_said(content: bytes) -> Response:
    """An answer that is not ours to read."""
    return Response(content, media_type="application/octet-stream")
