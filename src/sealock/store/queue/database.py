"""The queue in the server's database: each call one transaction (`change`), by the rules of the core.

A record of a build that is made together with its place in the queue calls `enqueue.enqueue` with a
`Change` of its own transaction, from `begin`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, func, select, update

from sealock.core.build import Outcome
from sealock.core.queue import (
    ORDINARY,
    Beat,
    Claim,
    Enqueued,
    Fence,
    Order,
    Patience,
    QueueEvent,
    QueueState,
    Waiting,
    Wakeups,
)
from sealock.core.queue_rules import on_cancel
from sealock.core.worker_state import WorkerState
from sealock.store.database.engine import Database
from sealock.store.database.tables import workers
from sealock.store.queue import enqueue, held, waiting
from sealock.store.queue.change import Change, Clock, database_time, stand_alone
from sealock.store.queue.deadlines import put_back
from sealock.store.queue.entries import entry_of, follow
from sealock.store.queue.tables import queue_builds
from sealock.store.queue.view import HELD

Result = TypeVar("Result")


class DatabaseQueue:
    """A `core.queue.Queue`. clock: for tests; it is the database's own."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        patience: Patience = ORDINARY,
        clock: Clock = database_time,
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._patience = patience
        self._clock = clock

    def begin(self, connection: Connection, *, alone: bool = True) -> Change:
        """A change within a transaction that may write. alone: nobody else decides meanwhile."""
        if alone:
            stand_alone(connection)
        return Change(connection, self._clock(connection), self._patience)

    async def tell(self, change: Change) -> None:
        """Wake whom it concerns, once the transaction of the change has ended well."""
        for topic in sorted(change.topics):
            await self._wakeups.tell(topic)

    async def enqueue(self, order: Order) -> Enqueued:
        return await self._change(lambda change: enqueue.enqueue(change, order))

    async def claim(self, worker: str) -> Claim | None:
        return await self._change(lambda change: waiting.claim(change, worker))

    async def beat(self, fence: Fence) -> Beat:
        return await self._change(lambda change: held.beat(change, fence), alone=False)

    async def begin_deployment(self, fence: Fence) -> Beat:
        return await self._change(lambda change: held.begin_deployment(change, fence))

    async def finish(self, fence: Fence, outcome: Outcome, reason: str = "") -> bool:
        return await self._change(lambda change: held.finish(change, fence, outcome, reason))

    async def fail(self, fence: Fence, reason: str, *, temporary: bool) -> bool:
        return await self._change(lambda change: held.fail(change, fence, reason, temporary))

    async def cancel(self, build: str, reason: str) -> QueueState | None:
        return await self._change(lambda change: _cancel(change, build, reason))

    async def drain(self, worker: str) -> int:
        return await self._change(lambda change: _drain(change, worker))

    async def put_back(self) -> int:
        return await self._change(put_back)

    async def why(self, build: str) -> Waiting | None:
        async with self._database.read() as connection:
            return await connection.run_sync(lambda sync: waiting.why(sync, self._clock(sync), build))

    async def history(self, build: str) -> list[QueueEvent]:
        async with self._database.read() as connection:
            return await connection.run_sync(lambda sync: waiting.history(sync, build))

    async def _change(self, work: Callable[[Change], Result], *, alone: bool = True) -> Result:
        def within(connection: Connection) -> tuple[Change, Result]:
            change = self.begin(connection, alone=alone)
            return change, work(change)

        async with self._database.write() as connection:
            change, result = await connection.run_sync(within)
        await self.tell(change)
        return result


def _cancel(change: Change, build: str, reason: str) -> QueueState | None:
    entry = entry_of(change, build)
    if entry is None:
        return None
    to = on_cancel(entry.state)
    if to is not entry.state:
        follow(change, entry, to, reason)
    return to


def _drain(change: Change, worker: str) -> int:
    active = (workers.c.id == worker) & (workers.c.state == WorkerState.ACTIVE)
    change.connection.execute(update(workers).where(active).values(state=WorkerState.DRAINING))
    of = queue_builds.c
    has = select(func.count()).where(of.worker == worker, of.state.in_(HELD))
    return int(change.connection.execute(has).scalar_one())
