"""Who downloads a log while what let them in is ended reads no further, however slowly they read."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import delete

from sealock.store.database.access_tables import memberships
from sealock.web import closing
from sealock.web.cookies import NAME
from tests.support.site import ServedSite, Site, serve_site
from tests.support.site_log import OpenMemoryLog

pytestmark = pytest.mark.anyio

FIRST, LATER = b"the first piece\n", b"what was printed later\n"
PATHS = {"page": "/builds/{}/log/raw", "api": "/api/v1/builds/{}/log/raw"}


async def revoke_tokens(site: Site) -> None:
    for token in await site.tokens.all_of(site.owner):
        await site.tokens.revoke(site.owner, token.id)


async def revoke_sessions(site: Site) -> None:
    for session in await site.sessions.all_of(site.owner):
        await site.sessions.revoke(site.owner, session.id)


async def remove_member(site: Site) -> None:
    async with site.database.write() as connection:
        await connection.execute(delete(memberships).where(memberships.c.person == site.owner.id))


End = Callable[[Site], Awaitable[None]]
ENDS: list[tuple[str, str, End]] = [
    ("page", "session", revoke_sessions),
    ("page", "session", remove_member),
    ("api", "session", revoke_sessions),
    ("api", "session", remove_member),
    ("api", "token", revoke_tokens),
    ("api", "token", remove_member),
]


@pytest.fixture
def goes_on(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """The second piece of every log is read once this is set; and there is no time between two looks."""
    event = asyncio.Event()

    async def raw(_: OpenMemoryLog) -> AsyncIterator[bytes]:
        yield FIRST
        await event.wait()
        yield LATER

    monkeypatch.setattr(OpenMemoryLog, "raw", raw)
    monkeypatch.setattr(closing, "LOOK_AGAIN", 0.0)
    return event


@asynccontextmanager
async def reading(served: ServedSite, path: str, by: str) -> AsyncIterator[AsyncIterator[bytes]]:
    """What comes of a download, piece by piece; the first has come."""
    site = served.site
    headers = {"Sec-Fetch-Site": "same-origin"}
    if by == "token":
        headers["Authorization"] = f"Bearer {await site.token()}"
    tls = ssl.create_default_context(cafile=served.authority)
    async with httpx2.AsyncClient(base_url=served.url, verify=tls, headers=headers, timeout=20) as client:
        if by == "session":
            client.cookies.set(NAME, (await site.sessions.begin(site.owner)).reveal().decode())
        async with client.stream("GET", PATHS[path].format(site.green)) as answer:
            assert answer.status_code == 200
            pieces = answer.aiter_raw()
            assert await anext(pieces) == FIRST
            yield pieces


@pytest.mark.parametrize(("path", "by", "end"), ENDS)
async def test_who_may_no_longer_reads_no_further(
    tmp_path: Path, goes_on: asyncio.Event, path: str, by: str, end: End
) -> None:
    async with serve_site(tmp_path) as served, reading(served, path, by) as pieces:
        await end(served.site)
        goes_on.set()
        came = b""
        with pytest.raises(httpx2.RemoteProtocolError):  # half a log does not pass for a whole one
            async for piece in pieces:
                came += piece
        assert came == b""


@pytest.mark.parametrize(("path", "by"), [("page", "session"), ("api", "session"), ("api", "token")])
async def test_who_still_may_reads_all_of_it(
    tmp_path: Path, goes_on: asyncio.Event, path: str, by: str
) -> None:
    async with serve_site(tmp_path) as served, reading(served, path, by) as pieces:
        goes_on.set()
        assert b"".join([piece async for piece in pieces]) == LATER
