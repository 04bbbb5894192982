"""Accounts in the database (`core.accounts.AccountRecords`)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from sealock.core.accounts import LONGEST_ACCOUNT_NAME, MOST_RUNNING, Account
from sealock.core.errors import UsageError
from sealock.core.queue import WORK, Wakeups
from sealock.store.database.engine import Database
from sealock.store.database.metadata import seconds
from sealock.store.database.tables import accounts


class DatabaseAccounts:
    """An `AccountRecords`. wakeups: builds that waited for a limit to be raised are looked at at once."""

    def __init__(self, database: Database, wakeups: Wakeups) -> None:
        self._database, self._wakeups = database, wakeups

    async def get(self, account: str) -> Account | None:
        """The account of that id."""
        found = select(accounts).where(accounts.c.id == account)
        async with self._database.read() as connection:
            row = (await connection.execute(found)).one_or_none()
        if row is None:
            return None
        return Account(row.id, row.name, row.max_running, row.weight, seconds(row.created_at))

    async def change(self, account: str, *, name: str | None = None, max_running: int | None = None) -> bool:
        """Change what is given. False if there is no such account. UsageError for what cannot be."""
        given = {"name": name, "max_running": max_running}
        values: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        _check(values)
        if not values:
            return await self.get(account) is not None
        changed = update(accounts).where(accounts.c.id == account).values(values)
        async with self._database.write() as connection:
            found = bool((await connection.execute(changed)).rowcount)
        await self._wakeups.tell(WORK)
        return found


def _check(values: dict[str, Any]) -> None:
    name = values.get("name", "name")
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_ACCOUNT_NAME:
        raise UsageError(
            "name: this cannot be an account's", resolution=f"It has 1 to {LONGEST_ACCOUNT_NAME} characters."
        )
    if not 0 <= values.get("max_running", 0) <= MOST_RUNNING:
        raise UsageError(f"max_running: it goes from 0 to {MOST_RUNNING}", resolution="Give another number.")
