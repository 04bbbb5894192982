"""How many signed pushes one website takes in a second, each a build in the queue, on both databases.

Sent over TLS by ten at once out of the same process, so what sending costs is in the figure too. Counting of
requests is off: it would refuse this many from one address.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx2

from bench.rows import Row, row
from sealock.access.authority import Authority
from sealock.builds.hook_secret import derive_hook_secret
from sealock.core.decision import Allowed
from sealock.core.sealed import LOCAL_ACCOUNT
from sealock.core.secret import Secret
from sealock.store.database.engine import Database, open_database
from sealock.store.database.migrations import upgrade
from sealock.web.app import make_app
from sealock.web.hooks import SIGNATURE, sign
from sealock.web.origin import Origin
from sealock.web.rates import Rate, Rates
from sealock.web.tls import Listen, Website
from tests.support.ports import free_port
from tests.support.postgres import cluster
from tests.support.site import HOST_KEY, Site

PUSHES, SENDERS, RUNS = 200, 10, 3
KEPT = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
ADDRESS = "git@git.example.com:team/shop.git"
KEY = Secret(b"k" * 32)
"""The installation's for hooks, as `Site` has it."""


class Uncounted(Rates):
    """Takes any number."""

    async def count(self, rate: Rate, address: str, account: str = "") -> Allowed:
        return Allowed()


def measure(_: list[Row]) -> list[Row]:
    """Pushes a second."""
    with tempfile.TemporaryDirectory(prefix="sealock-bench-") as directory:
        found = [asyncio.run(_measure("sqlite", Path(directory), f"sqlite:///{directory}/site.db"))]
    with (
        cluster(lambda _: KEPT) as server,
        server.database() as url,
        tempfile.TemporaryDirectory(prefix="sealock-bench-") as directory,
    ):
        return [*found, asyncio.run(_measure("postgres", Path(directory), url))]


async def _measure(name: str, directory: Path, url: str) -> Row:
    async with open_database(url) as database:
        await upgrade(database)
        async with _served(directory, database) as (site, client):
            made = await site.projects.create(LOCAL_ACCOUNT, "shop", ADDRESS, (HOST_KEY,))
            secret = derive_hook_secret(KEY, made.id, 1)
            await _send(client, made.id, secret, SENDERS)
            rates = [PUSHES / await _send(client, made.id, secret, PUSHES) for _ in range(RUNS)]
    return row(f"hooks_taken_{name}", "1/s", rates)


@asynccontextmanager
async def _served(directory: Path, database: Database) -> AsyncIterator[tuple[Site, httpx2.AsyncClient]]:
    site, origin = Site(directory=directory, database=database), Origin("localhost", free_port())
    authority = Authority(directory / "authority", ["localhost"])
    app = make_app(replace(site.ports, rates=Uncounted()), origin)
    website = Website(app, origin, authority.website_certificate, site.ports.streams)
    serving = asyncio.create_task(website.serve(Listen("127.0.0.1", origin.port, None)))
    try:
        await asyncio.wait_for(website.ready.wait(), 20)
        certificate = str(authority.certificate())
        async with httpx2.AsyncClient(base_url=str(origin), verify=certificate, timeout=60) as client:
            yield site, client
    finally:
        website.stop()
        await asyncio.wait_for(serving, 30)


async def _send(client: httpx2.AsyncClient, project: str, secret: Secret, pushes: int) -> float:
    """Seconds until all were taken."""
    left = iter(range(pushes))

    async def send() -> None:
        for _ in left:
            body = _push()
            answer = await client.post(
                f"/hooks/git/{project}", content=body, headers={SIGNATURE: sign(body, secret)}
            )
            assert answer.status_code == 202, answer.text

    started = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(SENDERS)))
    return time.perf_counter() - started


def _push() -> bytes:
    """Of a branch of its own."""
    name = secrets.token_hex(16)
    told = {
        "delivery": name,
        "sent_at": int(time.time()),
        "repository": ADDRESS,
        "ref": f"refs/heads/{name}",
        "before": "1" * 40,
        "after": secrets.token_hex(20),
    }
    return json.dumps(told).encode()
