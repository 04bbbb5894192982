"""What the door for workers is given. It calls these and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sealock.core.builds import BuildRecords, Work
from sealock.core.decision import Denied
from sealock.core.queue import Queue, Wakeups
from sealock.core.receipt import ReceiptSigner
from sealock.core.release import Exposures
from sealock.core.sealed import SealedValues
from sealock.core.workers import CertifiedWorker, WorkerRecords
from sealock.web.rates import Rates


class CertifyingPort(Protocol):
    """`access.joining.Joining`."""

    async def join(self, token: str, request: bytes) -> CertifiedWorker | Denied:
        """The worker the token was made for, with its certificate."""
        ...

    def renew(self, name: str, request: bytes) -> bytes:
        """A new one for the worker of that name, which has shown the one it has."""
        ...

    def authority_certificate(self) -> bytes:
        """What workers trust the website by, PEM."""
        ...


class RelayPort(Protocol):
    """`keeper.relay.WorkerRelay`."""

    async def carry(self, frame: bytes, work: Work, run: str) -> bytes:
        """The keeper's answer to a worker's frame, or a refusal in the same form. `core.lease.KeeperAway`."""
        ...


class RollPort(Protocol):
    """`keeper.asked_roll.AskedRoll`. `core.lease.KeeperAway`."""

    async def introduce(self, name: str, key: bytes) -> bool:
        """Whether the keeper knows this worker; it is admitted where we may."""
        ...


class ReceivingPort(Protocol):
    """`livelog.received.ReceivedLogs`. Its methods wait for the disk."""

    def append(self, run: str, offset: int, data: bytes) -> int:
        """Take sealed bytes if they continue the log; how many it has now."""
        ...

    def digest(self, run: str) -> str | None:
        """Of all that came; None if nothing did."""
        ...


@dataclass(frozen=True)
class WorkerPorts:
    """All of it. values: of projects, sealed; asked in a thread of its own. version: of the website."""

    workers: WorkerRecords
    certifying: CertifyingPort
    queue: Queue
    wakeups: Wakeups
    builds: BuildRecords
    values: SealedValues
    exposures: Exposures
    relay: RelayPort
    roll: RollPort
    logs: ReceivingPort
    signer: ReceiptSigner
    rates: Rates
    version: str
