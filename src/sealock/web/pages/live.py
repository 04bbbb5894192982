"""Tells a page that is open when what it shows of an account has changed: server-sent events.

A wake-up may be lost, so whoever waits looks for itself every few seconds all the same. What a browser has
seen is told by a digest, so one that comes back is told only of what is new to it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable

from fastapi import Request, Response

from sealock.core.access import Permission, may
from sealock.core.decision import Allowed
from sealock.core.queue import SAFETY_POLL
from sealock.web.asking import service_of
from sealock.web.cookies import session_of
from sealock.web.event_stream import event
from sealock.web.pages.build_live import answer_live
from sealock.web.pages.frame import Viewer
from sealock.web.ports import WebPorts

Digest = Callable[[], Awaitable[str]]


async def tell_changes(request: Request, asker: Viewer, topic: str, digest: Digest, seen: str) -> Response:
    """An event `state` whenever the digest of what is shown is another than `seen`, what the page shows. 429
    if who asks has too many streams."""
    seen = request.headers.get("last-event-id", seen)
    still = _still(request, asker)
    return await answer_live(request, asker.person, still, _changes(request, topic, digest, seen))


async def _changes(request: Request, topic: str, digest: Digest, seen: str) -> AsyncGenerator[bytes, None]:
    yield b""
    async with service_of(request).wakeups.subscribe(topic) as woken:
        while True:
            if (now := await digest()) != seen:
                seen = now
                yield event("state", {}, identity=now)
            await woken.wait(SAFETY_POLL)


def _still(request: Request, asker: Viewer) -> Callable[[], Awaitable[bool]]:
    """Whether this session lives, and may still see the account's builds."""
    ports: WebPorts = request.app.state.ports

    async def still() -> bool:
        found = await ports.sessions.read(session_of(request) or "")
        if found is None or found.person.id != asker.person.id:
            return False
        return isinstance(may(found.person, asker.account, Permission.BUILDS_READ), Allowed)

    return still
