"""Build servers in the database (`core.workers.WorkerRecords`). What each has is counted in the queue."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy import insert as insert_into
from sqlalchemy.exc import IntegrityError

from sealock.core.errors import UsageError
from sealock.core.naming import rule_of
from sealock.core.queue import LABEL, MOST_LABELS
from sealock.core.worker_state import WorkerState
from sealock.core.workers import MOST_MACHINES, WORKER_NAME, Worker
from sealock.store.database.engine import Database
from sealock.store.database.metadata import fitted, seconds
from sealock.store.database.tables import workers
from sealock.store.queue.change import database_time
from sealock.store.queue.tables import queue_builds
from sealock.store.queue.view import HELD

LONGEST_VERSION = 64

_RUNNING = (
    select(func.count())
    .where(queue_builds.c.worker == workers.c.id, queue_builds.c.state.in_(HELD))
    .scalar_subquery()
    .label("running")
)
_LIVE = workers.c.state != WorkerState.REVOKED


class DatabaseWorkers:
    """A `WorkerRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, name: str, labels: tuple[str, ...], machines: int) -> Worker:
        """A new worker, which has yet to join. UsageError for a name that is taken (by one that is not
        revoked), a name or labels that cannot be, or too many machines."""
        if not WORKER_NAME.fullmatch(name):
            raise _wrong(f"{name[:70]!r} is no worker's name", rule_of(WORKER_NAME))
        identity = secrets.token_hex(16)
        values = {"id": identity, "name": name, "state": WorkerState.ACTIVE, **_said(labels, machines)}
        try:
            async with self._database.write() as connection:
                values["created_at"] = await connection.run_sync(database_time)
                await connection.execute(insert_into(workers).values(values))
        except IntegrityError as error:
            raise _wrong(f"there is a worker {name} already", "Choose another name.") from error
        [made] = await self._find(workers.c.id == identity)
        return made

    async def all(self) -> list[Worker]:
        """Every worker, revoked ones last, by name."""
        found = await self._find()
        return sorted(found, key=lambda one: (one.state is WorkerState.REVOKED, one.name, one.created_at))

    async def named(self, name: str) -> Worker | None:
        """The one of that name that is not revoked."""
        found = await self._find(workers.c.name == fitted(name, len(name)), _LIVE)
        return found[0] if found else None

    async def by_certificate(self, digest: bytes) -> Worker | None:
        """The worker that shows this certificate, unless it is revoked."""
        found = await self._find(workers.c.certificate_digest == digest, _LIVE)
        return found[0] if found else None

    async def joined(self, worker: str, certificate: bytes, certificate_before: bytes | None = None) -> bool:
        """From now on it shows this certificate. certificate_before: the one it must have shown so far, None
        for one that joins by a token. False if it is revoked or shows another."""
        shows = workers.c.certificate_digest
        before = shows.is_(None) if certificate_before is None else shows == certificate_before
        changed = update(workers).where(workers.c.id == worker, _LIVE, before)
        try:
            return await self._change(changed.values(certificate_digest=certificate))
        except IntegrityError:  # another worker shows it, or it is no SHA-256
            return False

    async def hello(self, worker: str, version: str, machines: int, labels: tuple[str, ...]) -> None:
        """What it says of itself when it starts; it is active again if it was draining. A revoked one says
        nothing. UsageError for what cannot be."""
        said = {**_said(labels, machines), "version": fitted(version, LONGEST_VERSION)}
        async with self._database.write() as connection:
            said["seen_at"] = await connection.run_sync(database_time)
            active = update(workers).where(workers.c.id == worker, _LIVE).values(state=WorkerState.ACTIVE)
            await connection.execute(active.values(said))

    async def known(self, worker: str, key: bytes, *, known: bool) -> None:
        """Keep what it signs with, and whether the keeper makes leases for that."""
        await self._change(update(workers).where(workers.c.id == worker).values(signing_key=key, known=known))

    async def revoke(self, worker: str) -> bool:
        """Its certificate opens nothing any more; what it has is put back when its leases end. False if there
        is none, or it was revoked before."""
        ended = update(workers).where(workers.c.id == worker, _LIVE)
        async with self._database.write() as connection:
            now = await connection.run_sync(database_time)
            done = await connection.execute(ended.values(state=WorkerState.REVOKED, removed_at=now))
            return bool(done.rowcount)

    async def _change(self, statement: Any) -> bool:
        async with self._database.write() as connection:
            return bool((await connection.execute(statement)).rowcount)

    async def _find(self, *conditions: Any) -> list[Worker]:
        found = select(workers, _RUNNING).where(*conditions)
        async with self._database.read() as connection:
            return [_worker(row) for row in await connection.execute(found)]


def _said(labels: tuple[str, ...], machines: int) -> dict[str, Any]:
    """UsageError for labels that no order could name, or a number of machines that cannot be."""
    strange = [label for label in labels if not LABEL.fullmatch(label)]
    if strange or len(labels) > MOST_LABELS:
        raise _wrong(
            f"{strange[0][:70]!r} is no label" if strange else f"more than {MOST_LABELS} labels",
            rule_of(LABEL),
        )
    if not 0 <= machines <= MOST_MACHINES:
        raise _wrong(
            f"{machines} machines on one worker", f"A worker has at most {MOST_MACHINES} machines at once."
        )
    return {"labels": sorted(set(labels)), "machines": machines}


def _wrong(what: str, resolution: str) -> UsageError:
    return UsageError(what, resolution=resolution)


def _worker(row: Any) -> Worker:
    return Worker(
        id=row.id,
        name=row.name,
        labels=tuple(row.labels),
        machines=row.machines,
        state=WorkerState(row.state),
        version=row.version,
        created_at=seconds(row.created_at),
        seen_at=None if row.seen_at is None else seconds(row.seen_at),
        certificate=row.certificate_digest,
        running=row.running,
        removed_at=None if row.removed_at is None else seconds(row.removed_at),
        key=row.signing_key,
        known=row.known,
    )
