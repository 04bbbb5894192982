"""A worker of a website as its command sees it: it joins once, and works until it is stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sealock.core.secret import Secret


@dataclass(frozen=True)
class WorkerOptions:
    """server: `https://HOST:PORT`, the website's port for workers. state: a directory of ours for what we are
    known by. machines: builds at once, None for what fits this host. labels: builds may ask for."""

    server: str
    state: Path
    machines: int | None = None
    labels: tuple[str, ...] = ()


class WorkerProcess(Protocol):
    """UsageError, PermanentError or TemporaryError say what is in the way."""

    @property
    def joined(self) -> bool:
        """It has been let in before."""
        ...

    async def join(self, token: Secret) -> None:
        """Show the website a join token and keep the certificate it gives."""
        ...

    async def work(self, say: Callable[[str], None], *, attended: bool = False) -> None:
        """Take builds until SIGTERM or SIGINT; attended: or until standard input ends. Then those that run
        may finish; a second signal gives them back. say: takes lines for the operator; one begins with
        `ready` once it takes builds."""
        ...
