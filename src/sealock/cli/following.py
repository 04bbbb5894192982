"""Follows a build's log as it grows, through lost connections: no line lost, none told twice.

The server gives each line an id. After a loss it is asked again with the last one, as `Last-Event-ID`, and
goes on behind it. A stream that ends without the event `end` was cut, too.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import httpx2

from sealock.cli.api import Api
from sealock.cli.words import said
from sealock.core.errors import PermanentError, TemporaryError, UsageError

PAUSE = 1.0
"""Seconds before the next try."""
TRIES = 30
"""In a row without a line, until the server is given up."""


async def follow_log(
    api: Api, build: str, attempt: int | None = None
) -> AsyncGenerator[dict[str, Any], None]:
    """Its lines from the first on, as the API has them in its stream, until the log is whole. whole: whether
    all of a line has come; if not, it comes again.

    UsageError if there is no log; TemporaryError if the server stays away."""
    last, failed = "", 0
    part: dict[str, Any] | None = None  # of a line: if nothing more of it comes, that was all of it
    while True:
        try:
            async with aclosing(_events(api, build, attempt, last)) as events:
                async for event in events:
                    failed = 0
                    if event.event == "end":
                        if part is not None:
                            yield part | {"whole": True}
                        return
                    if event.event == "line":
                        line = _line(event.data) | {"whole": "." not in event.id}
                        if part is not None and part["number"] != line["number"]:
                            yield part | {"whole": True}
                        part = None if line["whole"] else line
                        yield line
                        last = event.id or last
                    elif event.event == "refused":
                        raise UsageError(said(_line(event.data), "reason") or "The server refuses to go on")
            lost = TemporaryError(f"{api.url} ends the log again and again before it is whole")
        except TemporaryError as error:
            lost = error
        failed += 1
        if failed > TRIES:
            raise lost
        await asyncio.sleep(PAUSE)


async def _events(
    api: Api, build: str, attempt: int | None, last: str
) -> AsyncGenerator[httpx2.ServerSentEvent, None]:
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
    query = {"attempt": attempt}
    async with api.stream("builds", build, "log", "follow", query=query, headers=headers) as response:
        try:
            async for event in httpx2.EventSource(response):
                yield event
        except httpx2.SSEError as error:
            raise PermanentError(f"{api.url} answers what cannot be read", details=str(error)) from error


def _line(data: str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise PermanentError("The server tells of a line what cannot be read")
    return found
