"""How long a claim takes when 10,000 builds of 50 accounts wait, on both databases, flushed to the disk."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from sqlalchemy import insert, text

from bench.rows import Row, row
from sealock.core.build import Outcome
from sealock.core.queue import Claim
from sealock.store.database.engine import Database, open_database
from sealock.store.database.migrations import upgrade
from sealock.store.database.tables import accounts, builds, projects, workers
from sealock.store.queue.database import DatabaseQueue
from sealock.store.queue.tables import queue_builds, queue_lanes
from sealock.store.queue.wakeups import LocalWakeups
from tests.support.postgres import cluster
from tests.support.queue import build_row, project_row, worker_row

BUILDS, ACCOUNTS, RUNS = 10_000, 50, 100
LABELS = ("", "arm64", "gpu")
KEPT = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
NOW = round(time.time() * 1000)

_RUNNING = "SELECT count(*) FROM queue_builds r WHERE r.account = q.account AND r.state = 'running'"
SCAN = text(
    """
    SELECT q.build FROM queue_builds q JOIN accounts a ON a.id = q.account
    WHERE q.state = 'queued' AND a.max_running > (RUNNING)
    ORDER BY (RUNNING) * 1.0 / a.weight, q.rank, q.place LIMIT 1
""".replace("RUNNING", _RUNNING)
)
"""The same choice (without labels, groups and projects) in one statement over all builds that wait."""


def measure(_: list[Row]) -> list[Row]:
    """Milliseconds for a claim, a beat and the end of a build."""
    with tempfile.TemporaryDirectory(prefix="sealock-bench-") as directory:
        found = asyncio.run(_measure("sqlite", f"sqlite:///{Path(directory).resolve()}/queue.db"))
    with cluster(lambda _: KEPT) as server, server.database() as url:
        return found + asyncio.run(_measure("postgres", url))


async def _measure(name: str, url: str) -> list[Row]:
    async with open_database(url) as database:
        await upgrade(database)
        await _fill(database)
        queue = DatabaseQueue(database, LocalWakeups())
        scans = [await _milliseconds(lambda: _scan(database)) for _ in range(10)]
        claims: list[Claim] = []

        async def claim() -> None:
            claimed = await queue.claim("w")
            assert claimed is not None
            claims.append(claimed)

        claiming = [await _milliseconds(claim) for _ in range(RUNS)]
        beating = [await _milliseconds(partial(queue.beat, each.fence)) for each in claims]
        ending = [await _milliseconds(partial(queue.finish, each.fence, Outcome.GREEN)) for each in claims]
        why = [await _milliseconds(lambda: queue.why(f"b{BUILDS - 1}")) for _ in range(10)]
    scan = row(f"claim_by_scan_{name}", "ms", scans)
    return [
        row(f"claim_latency_{name}", "ms", claiming, baseline=scan.value, against="one scan of what waits"),
        row(f"beat_{name}", "ms", beating),
        row(f"finish_{name}", "ms", ending),
        row(f"why_{name}", "ms", why),
    ]


async def _milliseconds(work: Callable[[], Awaitable[object]]) -> float:
    start = time.perf_counter()
    await work()
    return (time.perf_counter() - start) * 1000


async def _scan(database: Database) -> None:
    async with database.read() as connection:
        (await connection.execute(SCAN)).one()


async def _fill(database: Database) -> None:
    names = [f"a{number}" for number in range(ACCOUNTS)]
    lanes = [(name, needs) for name in names for needs in LABELS]
    async with database.write() as connection:
        limits = {"max_running": 3, "created_at": 1}
        await connection.execute(insert(accounts), [{"id": name, "name": name, **limits} for name in names])
        await connection.execute(insert(projects), [project_row(name) for name in names])
        await connection.execute(insert(workers), [worker_row("w", RUNS, ("arm64", "big"), NOW)])
        await connection.execute(
            insert(queue_lanes),
            [_lane(number, *lane, queued=_count(number)) for number, lane in enumerate(lanes, 1)],
        )
        rows = [(number, *lanes[number % len(lanes)]) for number in range(BUILDS)]
        await connection.execute(
            insert(builds), [build_row(f"b{number}", name, number + 1) for number, name, _ in rows]
        )
        await connection.execute(insert(queue_builds), [_queued(number, name) for number, name, _ in rows])


def _count(lane: int) -> int:
    return len(range(lane - 1, BUILDS, ACCOUNTS * len(LABELS)))


def _lane(number: int, name: str, needs: str, queued: int) -> dict[str, object]:
    return {
        "id": number,
        "account": name,
        "project": name,
        "needs": needs,
        "group": "",
        "queued": queued,
    }


def _queued(number: int, name: str) -> dict[str, object]:
    lane = number % (ACCOUNTS * len(LABELS)) + 1
    known = {"build": f"b{number}", "account": name, "project": name, "lane": lane, "state": "queued"}
    rest = {"rank": 0, "attempts": 2, "deadline": NOW + 10**9, "line": "", "delivery": None}
    return {**known, **rest, "deploys": False}
