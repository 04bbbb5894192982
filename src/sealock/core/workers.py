"""The build servers an installation has, as the server keeps them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from sealock.core.worker_state import WorkerState

WORKER_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
"""What one can be called, in lists and in its certificate."""

JOIN_PREFIX = "slj_"
"""What the token that a worker joins with begins with."""

MOST_MACHINES = 64
"""At once, on one worker."""


@dataclass(frozen=True)
class Worker:
    """name: unique. machines: builds at once. certificate: SHA-256 of the one it shows, DER; None until it
    has joined. running: builds it has now. removed_at: when it was revoked, None also where that is not
    known. key: the public half of what it signs with, 32 bytes, and known: whether the keeper made leases
    for that when it was asked last; None until they are told. Times: seconds since 1970."""

    id: str
    name: str
    labels: tuple[str, ...]
    machines: int
    state: WorkerState
    version: str
    created_at: float
    seen_at: float | None
    certificate: bytes | None = None
    running: int = 0
    removed_at: float | None = None
    key: bytes | None = None
    known: bool | None = None


@dataclass(frozen=True)
class CertifiedWorker:
    """worker: its name. certificate: PEM."""

    worker: str
    certificate: bytes


class WorkerRecords(Protocol):
    """Where workers are kept. Each call is one transaction."""

    async def add(self, name: str, labels: tuple[str, ...], machines: int) -> Worker:
        """A new worker, which has yet to join. UsageError for a name that is taken (by one that is not
        revoked), a name or labels that cannot be, or too many machines."""
        ...

    async def all(self) -> list[Worker]:
        """Every worker, revoked ones last, by name."""
        ...

    async def named(self, name: str) -> Worker | None:
        """The one of that name that is not revoked."""
        ...

    async def by_certificate(self, digest: bytes) -> Worker | None:
        """The worker that shows this certificate, unless it is revoked."""
        ...

    async def joined(self, worker: str, certificate: bytes, certificate_before: bytes | None = None) -> bool:
        """From now on it shows this certificate. certificate_before: the one it must have shown so far, None
        for one that joins by a token. False if it is revoked or shows another."""
        ...

    async def hello(self, worker: str, version: str, machines: int, labels: tuple[str, ...]) -> None:
        """What it says of itself when it starts; it is active again if it was draining. A revoked one says
        nothing. UsageError for what cannot be."""
        ...

    async def known(self, worker: str, key: bytes, *, known: bool) -> None:
        """Keep what it signs with, and whether the keeper makes leases for that."""
        ...

    async def revoke(self, worker: str) -> bool:
        """Its certificate opens nothing any more; what it has is put back when its leases end. False if there
        is none, or it was revoked before."""
        ...
