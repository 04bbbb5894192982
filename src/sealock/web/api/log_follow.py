"""The log of a build as it comes: server-sent events.

    id: 120                                 to come back with, as Last-Event-ID
    event: line
    data: {"number": 120, "text": …}

    : still here                            while nothing comes

    event: end                              it is whole; do not come back
    data: {"status": "green"}

Whoever comes back with the last id they saw is told what came after it: nothing twice, nothing left out. A
stream that ends without `end` was cut, by the website that stops or by the network. Now and then it is looked
whether the reader still may read: a token that was revoked reads no further.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request
from fastapi.responses import StreamingResponse

from sealock.core.access import Permission
from sealock.core.errors import UsageError
from sealock.core.log_pages import LogUpdate
from sealock.web.api.log_shapes import End, Update
from sealock.web.api.logs import LAST_LINE
from sealock.web.api.opened_log import Opened, OpenedLog, Reader
from sealock.web.api.shapes import Told, WrongField
from sealock.web.asking import Asker, service_of, still_may
from sealock.web.event_stream import COMMENT, HEADERS, KEEP_ALIVE, MEDIA_TYPE, event, with_pauses
from sealock.web.ports import WebPorts
from sealock.web.problems import sentence
from sealock.web.written import LINE_ID

router = APIRouter(tags=["logs"])

LOOK_AGAIN = 30.0
"""Seconds after which it is looked again whether the reader may read."""
_EVENT = {
    "type": "object",
    "description": "One event. `data` is JSON: of `line` a line with `again`, of `end` the build's `status`.",
    "properties": {
        "id": {"type": "string"},
        "event": {"enum": ["line", "end", "refused"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {"schema": _EVENT}}}}


def seat(request: Request, asker: Reader) -> Iterator[None]:
    """One of the streams a person may hold."""
    ports: WebPorts = request.app.state.ports
    with ports.streams.seat(asker.person.id) as free:
        if not free:
            raise HTTPException(429, "You follow too many things at once.", {"Retry-After": "5"})
        yield


@router.get(
    "/builds/{build}/log/follow",
    responses=EVENTS,
    response_class=StreamingResponse,
    dependencies=[Depends(seat)],
)
async def follow_log(
    request: Request,
    asker: Reader,
    opened: OpenedLog,
    first: Annotated[int, Query(ge=1, le=LAST_LINE, description="Begin with this line.")] = 1,
    last_id: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID",
            pattern=LINE_ID,
            description="The last id that was seen; it goes on after that.",
        ),
    ] = None,
) -> StreamingResponse:
    """Its lines as server-sent events, those that are there and those that come, until the log is whole."""
    ports: WebPorts = request.app.state.ports
    events = _events(request, asker, opened, opened.log.follow(last_id, first=first))
    return StreamingResponse(ports.streams.follow(events), 200, HEADERS, MEDIA_TYPE)


async def _events(
    request: Request, asker: Asker, opened: Opened, updates: AsyncIterator[Sequence[LogUpdate]]
) -> AsyncGenerator[bytes, None]:
    yield b"retry: 2000\n\n"
    looked = time.monotonic()
    try:
        async with aclosing(with_pauses(updates, KEEP_ALIVE)) as pieces:
            async for some in pieces:
                if time.monotonic() - looked >= LOOK_AGAIN:
                    looked = time.monotonic()
                    if not await still_may(request, asker, Permission.LOGS_READ):
                        return
                yield b"".join(_event("line", Update.told(one), one.id) for one in some) if some else COMMENT
    except UsageError as error:
        yield _event("refused", WrongField(field="Last-Event-ID", reason=sentence(error)))
        return
    view = await service_of(request).builds.get(opened.build.account, opened.build.id)
    yield _event("end", End(status=view.status if view else "removed"))


def _event(name: str, told: Told, identity: str = "") -> bytes:
    return event(name, told.model_dump(mode="json"), identity=identity)
