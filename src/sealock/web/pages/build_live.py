"""What changes of a build, told as it changes: its state, and the lines of its log. Server-sent events.

    /builds/ID/live        event `state`, id: what of the build is shown, as a digest
    /builds/ID/log/live    event `lines`, id: of the last line, by which a reader comes back

Both end with an event `end`; a stream that just breaks off is to be taken up again. While nothing happens a
comment is sent, so that neither end holds a connection whose other end is gone. And it is asked again and
again whether who reads may still read: a stream outlives no session.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import astuple
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response

from sealock.core.access import Permission, Person
from sealock.core.builds import BuildView, build_topic
from sealock.core.errors import SealockError
from sealock.core.log_pages import LogUpdate
from sealock.core.queue import SAFETY_POLL
from sealock.web.asking import service_of
from sealock.web.closing import ClosingResponse, Still
from sealock.web.event_stream import COMMENT, HEADERS, KEEP_ALIVE, MEDIA_TYPE, event, with_pauses
from sealock.web.pages.build_access import NoLog, attempt_of, build_for, opened, still_may
from sealock.web.pages.build_log import Attempt, begun
from sealock.web.pages.frame import Asker
from sealock.web.pages.log_rows import rows
from sealock.web.ports import WebPorts
from sealock.web.streams import Streams

RETRY = 1000
"""Milliseconds after which a browser connects anew."""

Pieces = AsyncGenerator[bytes, None]

_END = event("end", {})

router = APIRouter(prefix="/builds/{build_id}", include_in_schema=False)


@router.get("/live")
async def live_state(
    request: Request, build_id: str, asker: Asker, seen: Annotated[str, Query(max_length=64)] = ""
) -> Response:
    """Tells when what the page shows of a build has changed. seen: what the page shows, as `digest_of`."""
    build = await build_for(request, asker.person, build_id, Permission.BUILDS_READ)
    seen = request.headers.get("last-event-id", seen)
    still = still_may(request, asker.person, build, Permission.BUILDS_READ)
    return await answer_live(request, asker.person, still, _states(request, build, seen))


@router.get("/log/live")
async def live_log(
    *,
    request: Request,
    build_id: str,
    asker: Asker,
    attempt: Attempt = None,
    first: Annotated[int, Query(ge=1, le=10**9)] = 1,
    last: Annotated[str | None, Query(max_length=40)] = None,
) -> Response:
    """The lines of an attempt's log as they come, from number `first` on, or from behind the id `last`."""
    build = await build_for(request, asker.person, build_id, Permission.LOGS_READ)
    try:
        number = attempt_of(build, attempt)
    except NoLog as none:
        raise HTTPException(404, none.what) from none
    last = request.headers.get("last-event-id") or last
    still = still_may(request, asker.person, build, Permission.LOGS_READ)
    lines = _lines(request, asker.person, build, number, last=last, first=first)
    return await answer_live(request, asker.person, still, lines)


def digest_of(build: BuildView) -> str:
    """Of all that the page shows of a build and that can change."""
    return hashlib.sha256(repr(astuple(build)).encode(errors="surrogatepass")).hexdigest()[:32]


async def _states(request: Request, build: BuildView, seen: str) -> Pieces:
    service = service_of(request)
    yield b""
    async with service.wakeups.subscribe(build_topic(build.id)) as woken:
        while True:
            now = await service.builds.get(build.account, build.id)
            if now is None:
                break
            if (digest := digest_of(now)) != seen:
                seen = digest
                yield event("state", {"status": now.status, "number": now.number}, identity=digest)
            if now.ended_at is not None:
                break
            await woken.wait(SAFETY_POLL)
    yield _END


async def _lines(
    request: Request, person: Person, build: BuildView, attempt: int, *, last: str | None, first: int
) -> Pieces:
    """Where the log cannot be gone on with, because it was removed for example, it says so and ends."""
    try:
        async with opened(request, build, attempt, person) as log:
            yield b""
            async for updates in log.follow(last, first=first):
                yield _told(updates, build)
    except NoLog as none:
        raise HTTPException(404, f"{none.what} {none.do}".strip()) from none
    except SealockError as error:
        yield event("gone", {"what": error.brief, "do": error.resolution})
        return
    yield _END


def _told(updates: Sequence[LogUpdate], build: BuildView) -> bytes:
    found = rows((update.line for update in updates), begun(build))
    return event("lines", {"rows": str(found)}, identity=updates[-1].id)


async def answer_live(
    request: Request,
    person: Person,
    still: Still,
    source: Pieces,
) -> Response:
    """What the source gives, for as long as this person may have it. 429 if they have too many streams."""
    ports: WebPorts = request.app.state.ports
    pieces = _pieces(ports.streams, person, still, source)
    await anext(pieces)  # refused before anything is sent
    return ClosingResponse(pieces, headers=HEADERS, media_type=MEDIA_TYPE)


async def _pieces(
    streams: Streams,
    person: Person,
    still: Still,
    source: Pieces,
) -> Pieces:
    with streams.seat(person.id) as is_free:
        if not is_free:
            later = {"Retry-After": "10"}
            raise HTTPException(429, "You have too many pages open that are live.", later)
        async with aclosing(source), aclosing(_kept_alive(source, still)) as alive:
            yield await anext(source)
            yield f"retry: {RETRY}\n\n".encode()
            async with aclosing(streams.follow(alive)) as told:
                async for piece in told:
                    yield piece


async def _kept_alive(source: Pieces, still: Still) -> Pieces:
    """The source with comments where it is silent. It ends once whoever reads may read no longer."""
    looked = time.monotonic()
    async with aclosing(with_pauses(source, KEEP_ALIVE)) as pieces:
        async for piece in pieces:
            if time.monotonic() - looked >= KEEP_ALIVE:
                looked = time.monotonic()
                if not await still():
                    return
            yield COMMENT if piece is None else piece
