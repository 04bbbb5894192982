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


class KeeperControl(Protocol):
    """A keeper that runs. Everything may raise `core.lease.Refused` or `core.lease.KeeperAway`."""

    async def status(self) -> KeeperStatus:
        """How it is."""
        ...

    async def end_all(self) -> None:
        """Make every lease, session and grant so far void."""
        ...
