"""Workers that are killed, and stopped and gone on, at random while they work through 200 builds or more:
none is lost, none is finished twice, no limit is exceeded. Both databases."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from sealock.core.queue import Patience
from sealock.store.database.engine import Database, open_database
from sealock.store.database.migrations import upgrade
from sealock.store.queue.tables import queue_builds, queue_events
from tests.support.queue import AroundDatabase

pytestmark = pytest.mark.anyio

LEASE = 1.5
BUILDS = 200
"""At once, and as many again until enough has happened to them."""
LIMITS = {"one": 3, "two": 2, "three": 1}
DEPLOYING = 4
"""Every so manieth build is in its project's group of deployments."""

WORKERS = ("w1", "w2", "w3")
ROOT = Path(__file__).parents[2]
LONGEST = 600.0


@pytest.fixture(params=["sqlite", "postgres"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[str, Database]]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/sealock.db"
        async with open_database(url) as database:
            await upgrade(database)
            yield url, database
        return
    with request.getfixturevalue("postgres").database() as url:
        async with open_database(url) as database:
            await upgrade(database)
            yield url, database


class Crowd:
    """Worker processes. Each has a name for itself, which the one that takes its place has as well."""

    def __init__(self, url: str, report: Path) -> None:
        self._arguments = (url, report)
        self._processes = {name: self._start(name) for name in WORKERS}
        self._chance = random.Random(7)
        self.killed = self.stopped = 0

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        url, report = self._arguments
        program = [sys.executable, "-m", "tests.support.queue_worker"]
        return subprocess.Popen([*program, url, name, str(LEASE), str(report)], cwd=ROOT)

    async def harm(self) -> None:
        """Kill one and start another in its place, or stop one for about as long as its lease: when it
        goes on, another has what it had."""
        name = self._chance.choice(WORKERS)
        process = self._processes[name]
        assert process.poll() is None, f"{name} ended by itself"
        if self._chance.random() < 0.5:
            self.stopped += 1
            process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(LEASE + self._chance.uniform(-0.3, 0.3))
            process.send_signal(signal.SIGCONT)
        else:
            self.killed += 1
            process.kill()
            process.wait()
            self._processes[name] = self._start(name)

    def is_enough(self) -> bool:
        return self.killed >= 5 and self.stopped >= 3

    def end(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()


async def test_no_build_is_lost_or_finished_twice(place: tuple[str, Database], tmp_path: Path) -> None:
    url, database = place
    around = AroundDatabase(database, Patience(lease=LEASE))
    for name, limit in LIMITS.items():
        await around.account(name, max_running=limit)
    for name in WORKERS:
        await around.worker(name, machines=2)
    crowd = Crowd(url, tmp_path / "report")
    builds = 0
    try:
        while not (crowd.is_enough() and _shows_enough(await _events(database))):
            await _order(around, range(builds, builds + BUILDS))
            builds += BUILDS
            await _until_done(database, crowd)
    finally:
        crowd.end()
    events = await _events(database)
    _check_ends(events, (tmp_path / "report").read_text(), builds)
    _check_limits(events)
    await around.check()


def _shows_enough(events: list[Any]) -> bool:
    """One went on with what it had lost, and builds were lost and found again. On how busy the host is
    depends how many builds that takes."""
    kinds = Counter(event.kind for event in events)
    return kinds["refused"] >= 1 and kinds["put-back"] >= 5


async def _order(around: AroundDatabase, numbers: range) -> None:
    for number in numbers:
        account = list(LIMITS)[number % len(LIMITS)]
        group = "production" if number % DEPLOYING == 0 else ""
        await around.add(f"b{number}", account, group=group, attempts=1000)


async def _until_done(database: Database, crowd: Crowd) -> None:
    deadline = time.monotonic() + LONGEST
    while await _open(database):
        assert time.monotonic() < deadline, "builds are left"
        await asyncio.sleep(1.0)
        await crowd.harm()


async def _open(database: Database) -> bool:
    of = queue_builds.c
    async with database.read() as connection:
        left = select(of.place).where(of.state != "finished").limit(1)
        return (await connection.execute(left)).scalar() is not None


async def _events(database: Database) -> list[Any]:
    async with database.read() as connection:
        return list((await connection.execute(select(queue_events).order_by(queue_events.c.id))).all())


def _check_ends(events: list[Any], report: str, builds: int) -> None:
    finished = Counter(event.build for event in events if event.kind == "finished")
    assert finished == Counter(f"b{number}" for number in range(builds))
    # What the workers were told; one that was killed just then told nobody.
    told = [tuple(line.split()) for line in report.splitlines()]
    assert len({build for build, _ in told}) == len(told)
    ends = {(event.build, str(event.attempt)) for event in events if event.kind == "finished"}
    assert set(told) <= ends


def _check_limits(events: list[Any]) -> None:
    """Each moment between two events: who has what."""
    holders: dict[str, str] = {}
    for event in events:
        number = int(event.build[1:])
        if event.kind == "claimed":
            assert event.build not in holders, "two have it"
            holders[event.build] = event.worker
        elif event.kind in ("finished", "put-back"):
            assert holders.pop(event.build) == event.worker
        running = Counter(list(LIMITS)[int(build[1:]) % len(LIMITS)] for build in holders)
        assert all(count <= LIMITS[account] for account, count in running.items())
        assert all(count <= 2 for count in Counter(holders.values()).values())
        account = number % len(LIMITS)
        deploying = [
            build
            for build in holders
            if int(build[1:]) % DEPLOYING == 0 and int(build[1:]) % len(LIMITS) == account
        ]
        assert len(deploying) <= 1
