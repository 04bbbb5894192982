"""What a queue needs around it: accounts, projects, workers and builds, and a clock that tests turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from sqlalchemy import Connection, func, insert, select, update

from sealock.core.build_state import BuildState, Trigger
from sealock.core.queue import Claim, Order, Patience, Queue, QueueEventKind
from sealock.core.queue_rules import Host, Share
from sealock.core.worker_state import WorkerState
from sealock.store.database.engine import Database
from sealock.store.database.tables import accounts, builds, projects, workers
from sealock.store.queue.change import database_time
from sealock.store.queue.database import DatabaseQueue
from sealock.store.queue.memory import MemoryQueue
from sealock.store.queue.tables import queue_builds, queue_lanes
from sealock.store.queue.wakeups import LocalWakeups

PATIENCE = Patience(queued=1000.0, lease=9.0, stopping=12.0, longest=300.0, away=30.0)
STEP = 3.0
"""Seconds in which somebody looks at the queue again, so that time that passes is ordinary time."""


class Around(Protocol):
    """A queue with what is around it."""

    queue: Queue
    wakeups: LocalWakeups

    async def account(self, name: str, max_running: int = 100, weight: int = 1) -> None:
        """An account with one project of the same name."""
        ...

    async def worker(self, name: str, machines: int = 100, labels: tuple[str, ...] = ()) -> None:
        """A worker that is there."""
        ...

    async def worker_state(self, name: str, state: WorkerState) -> None:
        """What it may do now."""
        ...

    async def add(self, build: str, account: str = "one", **order: Any) -> None:
        """A build's record, and the build in the queue."""
        ...

    async def record(self, build: str, account: str) -> None:
        """A build's record alone."""
        ...

    def jump(self, seconds: float) -> None:
        """The clock is set."""
        ...

    async def seen(self) -> None:
        """All workers are there at this moment."""
        ...

    async def check(self) -> None:
        """What is kept twice is the same in both places."""
        ...


async def pass_time(around: Around, seconds: float, *beating: Any) -> None:
    """Ordinary time: somebody looks at the queue now and then, and these fences beat."""
    while seconds > 0:
        around.jump(min(STEP, seconds))
        seconds -= STEP
        for fence in beating:
            await around.queue.beat(fence)
        await around.queue.put_back()


class AroundMemory:
    """`MemoryQueue` and what is around it."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.wakeups = LocalWakeups()
        self.memory = MemoryQueue(self.wakeups, PATIENCE, lambda: self.now)
        self.queue: Queue = self.memory

    async def account(self, name: str, max_running: int = 100, weight: int = 1) -> None:
        self.memory.shares[name] = Share(max_running, weight, 0)

    async def worker(self, name: str, machines: int = 100, labels: tuple[str, ...] = ()) -> None:
        self.memory.hosts[name] = Host(name, frozenset(labels), machines, 0, present=True)
        self.memory.states[name] = WorkerState.ACTIVE

    async def worker_state(self, name: str, state: WorkerState) -> None:
        self.memory.states[name] = state

    async def add(self, build: str, account: str = "one", **order: Any) -> None:
        await self.queue.enqueue(replace(Order(build, account, account), **order))

    async def record(self, build: str, account: str) -> None:
        pass

    def jump(self, seconds: float) -> None:
        self.now += seconds

    async def seen(self) -> None:
        pass

    async def check(self) -> None:
        pass


class AroundDatabase:
    """`DatabaseQueue` and what is around it."""

    def __init__(self, database: Database, patience: Patience = PATIENCE) -> None:
        self.database = database
        self.offset = 0
        self.told: Callable[[], int] | None = None
        self.numbers: dict[str, int] = {}
        self.wakeups = LocalWakeups()
        self.database_queue = DatabaseQueue(database, self.wakeups, patience, self.time)
        self.queue: Queue = self.database_queue

    def time(self, connection: Connection) -> int:
        """The database's own, as it was set."""
        return self.told() if self.told else database_time(connection) + self.offset

    async def account(self, name: str, max_running: int = 100, weight: int = 1) -> None:
        account = {"id": name, "name": name, "created_at": 1, "max_running": max_running, "weight": weight}
        async with self.database.write() as connection:
            await connection.execute(insert(accounts), account)
        await self.project(name, name)

    async def project(self, name: str, account: str) -> None:
        """A project of an account that is there."""
        async with self.database.write() as connection:
            await connection.execute(insert(projects), project_row(name) | {"account": account})

    async def worker(self, name: str, machines: int = 100, labels: tuple[str, ...] = ()) -> None:
        async with self.database.write() as connection:
            seen = await connection.run_sync(self.time)
            await connection.execute(insert(workers), worker_row(name, machines, labels, seen))

    async def worker_state(self, name: str, state: WorkerState) -> None:
        async with self.database.write() as connection:
            await connection.execute(update(workers).where(workers.c.id == name).values(state=state))

    async def add(self, build: str, account: str = "one", **order: Any) -> None:
        await self.record(build, account)
        await self.queue.enqueue(replace(Order(build, account, account), **order))

    async def record(self, build: str, account: str) -> None:
        number = self.numbers[account] = self.numbers.get(account, 0) + 1
        async with self.database.write() as connection:
            await connection.execute(insert(builds), build_row(build, account, number))

    def jump(self, seconds: float) -> None:
        self.offset += round(seconds * 1000)

    async def seen(self) -> None:
        async with self.database.write() as connection:
            await connection.execute(update(workers).values(seen_at=await connection.run_sync(self.time)))

    async def check(self) -> None:
        async with self.database.read() as connection:
            of = queue_builds.c
            queued = select(func.count()).where(of.lane == queue_lanes.c.id, of.state == "queued")
            counts = (await connection.execute(select(queue_lanes.c.queued, queued.scalar_subquery()))).all()
            joined = select(of.state, builds.c.state, of.outcome, builds.c.outcome)
            states = (await connection.execute(joined.join(builds, builds.c.id == of.build))).all()
        assert all(kept == counted for kept, counted in counts)
        shown = {"queued": BuildState.QUEUED, "running": BuildState.RUNNING, "stopping": BuildState.RUNNING}
        assert all(theirs == shown.get(ours, BuildState.ENDED) for ours, theirs, _, _ in states)
        assert all(ours == theirs for _, _, ours, theirs in states)


def project_row(name: str) -> dict[str, Any]:
    """A project of the account of the same name."""
    address = {"address_user": "git", "address_host": "h", "address_port": 22, "address_path": name}
    key = {"key_version": 1, "key_set_version": 1, "key_suite": "none", "key_data": b"", "key_created_at": 1}
    rest = {"host_keys": [], "public_key": "ssh-ed25519 AAAA", "created_at": 1}
    return {"id": name, "account": name, "name": name, **address, **key, **rest}


def worker_row(name: str, machines: int, labels: tuple[str, ...], seen: int) -> dict[str, Any]:
    """A worker that was seen at that time."""
    state = {"state": WorkerState.ACTIVE, "created_at": 1, "seen_at": seen}
    return {"id": name, "name": name, "labels": list(labels), "machines": machines, **state}


def build_row(build: str, account: str, number: int) -> dict[str, Any]:
    """A build that was pushed."""
    state = {"state": BuildState.QUEUED, "trigger": Trigger.PUSH, "created_at": 1}
    return {"id": build, "account": account, "project": account, "number": number, **state}


async def claim(around: Around, worker: str = "w") -> Claim:
    claimed = await around.queue.claim(worker)
    assert claimed is not None
    return claimed


async def events(around: Around, build: str) -> list[QueueEventKind]:
    await around.check()
    return [event.kind for event in await around.queue.history(build)]


async def reasons(around: Around, build: str) -> list[str]:
    waiting = await around.queue.why(build)
    assert waiting is not None
    return [reason.sentence for reason in waiting.reasons]
