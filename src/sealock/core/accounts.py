"""Accounts: who pays, whose projects they are, and how much they may use at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

LONGEST_ACCOUNT_NAME = 200
"""Characters."""

MOST_RUNNING = 1000
"""The most builds at once that an account, or a project, can be given."""


@dataclass(frozen=True)
class Account:
    """max_running: builds at once. weight: its share where accounts compete. created_at: seconds
    since 1970."""

    id: str
    name: str
    max_running: int
    weight: int
    created_at: float


class AccountRecords(Protocol):
    """Where accounts are kept."""

    async def get(self, account: str) -> Account | None:
        """The account of that id."""
        ...

    async def change(self, account: str, *, name: str | None = None, max_running: int | None = None) -> bool:
        """Change what is given. False if there is no such account. UsageError for what cannot be."""
        ...
