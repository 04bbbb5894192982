"""The pieces of an answer as they come, by the ASGI application itself: the client of tests waits for the
end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import httpx2

from tests.support.site import Site


async def served(
    site: Site, browser: httpx2.AsyncClient, path: str, last: str
) -> AsyncGenerator[bytes, None]:
    """The pieces of an answer. last: the id of the event that the browser had last; empty for none."""
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()
    gone = asyncio.Event()
    asked = [False]

    async def receive() -> dict[str, object]:
        if not asked[0]:
            asked[0] = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200, message
        else:
            body = message.get("body", b"")
            assert isinstance(body, bytes)
            await queue.put(body)
            if not message.get("more_body"):
                await queue.put(None)

    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = [(b"host", site.origin.authority.encode()), (b"cookie", cookie.encode())]
    headers += [(b"last-event-id", last.encode())] if last else []
    plain, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
        "method": "GET", "scheme": "https", "path": plain, "raw_path": plain.encode(),
        "query_string": query.encode(), "headers": headers, "client": ("192.0.2.7", 1),
        "server": ("localhost", 443), "root_path": "",
    }  # fmt: skip
    running = asyncio.create_task(site.app(scope, receive, send))  # type: ignore[arg-type]
    try:
        while (piece := await asyncio.wait_for(queue.get(), 60)) is not None:
            yield piece
    finally:
        gone.set()
        await asyncio.wait_for(running, 60)
