"""The keeper's process, as the command line sees it: one that runs, and one that answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class KeeperProcess(Protocol):
    """The keeper itself."""

    def run(self, say: Callable[[str], None], *, attended: bool = False) -> None:
        """Serve until told to stop (SIGTERM, SIGINT). attended: also stop when standard input ends, which
        whoever started this process holds open. say: takes lines for the log, the first of which
        tell how the process is shut in. UsageError or PermanentError if it cannot start."""
        ...


@dataclass(frozen=True)
class KeeperStatus:
    """epoch: what leases name now. entries: in the ledger. achieved: how the process is shut in."""

    version: str
    epoch: int
    entries: int
    achieved: tuple[str, ...]


@dataclass(frozen=True)
class KnownWorker:
    """A worker that the keeper makes leases for. key: the public half of what it signs with, 32 bytes. since:
    seconds since 1970. by: what the keeper calls who admitted it."""

    name: str
    key: bytes
    since: float
    by: str


class KeeperControl(Protocol):
    """A keeper that runs. Everything may raise `core.lease.Refused` or `core.lease.KeeperAway`."""

    async def status(self) -> KeeperStatus:
        """How it is."""
        ...

    async def end_all(self) -> None:
        """Make every lease, session and grant so far void."""
        ...

    async def workers(self) -> list[KnownWorker]:
        """The workers it makes leases for, by name."""
        ...

    async def admit_worker(self, name: str, key: bytes) -> bytes | None:
        """Make leases for what this key signs, made out to that name; the key it had before, which is void
        now. UsageError for what can be no worker."""
        ...

    async def remove_worker(self, name: str) -> None:
        """Make none for it any more; those it has are void. UsageError for what can be no worker."""
        ...
