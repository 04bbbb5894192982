"""Requests that were made with a key, for a day (`web.ports.IdempotencyPort`): what is sent twice is done
once."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy import insert as insert_into
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from sealock.core.errors import UsageError
from sealock.core.idempotency import LONGEST_KEY
from sealock.store.database.engine import Database
from sealock.store.database.kept_tables import idempotency_keys
from sealock.store.database.metadata import milliseconds

KEPT_FOR = 24 * 3600.0
"""Seconds."""
ABANDONED = 60.0
"""Seconds after which a request without an answer may be done anew: its website ended in the middle of it."""
LONGEST_ANSWER = 1024 * 1024


class DatabaseIdempotency:
    """An `IdempotencyPort`. clock: seconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    async def begin(self, caller: str, key: str, request: bytes) -> tuple[int, bytes] | bool:
        """True: it is new, and the caller's to do. False: it is being done. Else the answer it had: status
        and body. UsageError if the key was used for another request, or cannot be one. request: SHA-256 of
        it. What has been done for longer than any request takes is the caller's to do again."""
        if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
            raise UsageError(
                "this cannot be an idempotency key",
                resolution=f"Use 1 to {LONGEST_KEY} printable ASCII characters, such as a UUID.",
            )
        try:
            async with self._database.write() as connection:
                await self._purge(connection)
                values = {"caller": caller, "key": key, "request_digest": request}
                new = insert_into(idempotency_keys).values(created_at=milliseconds(self._clock()), **values)
                await connection.execute(new)
            return True
        except IntegrityError:
            return await self._before(caller, key, request) or await self._take_over(caller, key)

    async def finish(self, caller: str, key: str, status: int, body: bytes) -> None:
        """Keep the answer. ValueError for one that is too long to be kept."""
        if len(body) > LONGEST_ANSWER:
            raise ValueError("the answer is too long to be kept")
        async with self._database.write() as connection:
            kept = update(idempotency_keys).where(*_of(caller, key))
            await connection.execute(kept.values(status=status, response=body))

    async def give_up(self, caller: str, key: str) -> None:
        """It failed by no fault of the request; it may be sent again."""
        undone = idempotency_keys.c.status.is_(None)
        async with self._database.write() as connection:
            await connection.execute(delete(idempotency_keys).where(*_of(caller, key), undone))

    async def _purge(self, connection: AsyncConnection) -> None:
        oldest = milliseconds(self._clock() - KEPT_FOR)
        await connection.execute(delete(idempotency_keys).where(idempotency_keys.c.created_at < oldest))

    async def _before(self, caller: str, key: str, request: bytes) -> tuple[int, bytes] | bool:
        async with self._database.read() as connection:
            found = await connection.execute(select(idempotency_keys).where(*_of(caller, key)))
            row = found.one_or_none()
        if row is None:  # given up, or purged, between the two looks
            return False
        if row.request_digest != request:
            raise UsageError(
                "this idempotency key was used for another request", resolution="Use a new one for each."
            )
        return False if row.status is None else (row.status, row.response)

    async def _take_over(self, caller: str, key: str) -> bool:
        """Whether nobody can be at it any more; of several who find that, one is told so."""
        now = self._clock()
        of = idempotency_keys.c
        abandoned = (*_of(caller, key), of.status.is_(None), of.created_at < milliseconds(now - ABANDONED))
        taken = update(idempotency_keys).where(*abandoned).values(created_at=milliseconds(now))
        async with self._database.write() as connection:
            return bool((await connection.execute(taken)).rowcount)


def _of(caller: str, key: str) -> tuple[ColumnElement[bool], ...]:
    return idempotency_keys.c.caller == caller, idempotency_keys.c.key == key
