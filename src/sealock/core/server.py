"""The server as its commands see it: made ready, then served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sealock.core.secret import Secret

LOCAL_WORKER = "local"
"""The name of the worker that runs on the server's own host."""


@dataclass(frozen=True)
class Ready:
    """What is there before the server starts. address: for people. setup: the address that makes the first
    owner, once; None once there is one. join: for the local worker, None if it has joined. workers: where
    workers reach the server from this host."""

    address: str
    setup: Secret | None
    join: Secret | None
    workers: str


class Server(Protocol):
    """The website with its door for workers, over this installation's settings."""

    async def make_ready(self, *, local_worker: bool = False, link: bool = True) -> Ready:
        """Bring the database up to date, make what is missing. No server may run meanwhile. link: make one
        for the first owner, in the place of any before, if there is none yet. UsageError, PermanentError or
        TemporaryError say what is in the way."""
        ...

    def shut_in(self, say: Callable[[str], None]) -> None:
        """Take the ports this process will serve on, then give up every right, program and process it never
        needs, for good: before anything else, and before any thread. say: takes lines on what was achieved.
        UsageError if a port is taken."""
        ...

    async def serve(self, say: Callable[[str], None], *, attended: bool = False) -> None:
        """Serve until SIGTERM or SIGINT, once shut in; attended: or until standard input ends. say: takes
        lines for the operator; one begins with `serving on ` once it does."""
        ...

    def authority(self) -> bytes:
        """The certificate of the installation's own authority, PEM."""
        ...
