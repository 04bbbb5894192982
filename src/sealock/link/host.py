"""What a worker builds with on this host: ports, the same for every build."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sealock.builds.checkout import CheckoutPorts
from sealock.builds.leases import BelongsTo
from sealock.core.image import Images
from sealock.core.lease import Leases
from sealock.core.log import Logs, NewMasker
from sealock.core.machine import Machines, Reaper
from sealock.core.plan import PlanReader
from sealock.core.repository import Repositories
from sealock.core.sealed import Seal
from sealock.core.workers import MOST_MACHINES
from sealock.link.logs import PublicKeys

MACHINE_MIB = 1229
"""Memory of this host that a build is counted with: a machine of 1 GiB, and what runs it."""

Carry = Callable[[bytes], Awaitable[bytes]]
"""Takes a frame to the keeper, and returns the one that answers it."""


class CarriedKeeper(Leases, PublicKeys, Protocol):
    """A keeper that is asked through somebody (`keeper.client.KeeperClient` over a `CarriedDoor`)."""


@dataclass(frozen=True)
class HostPorts:
    """keeper: the one asked by carrying. signing_key: what it knows this worker by, 32 bytes. logs: sealed
    logs in a directory. read_plan: of files that name no image, given the one they get. default_image: of
    projects that name none."""

    machines: Machines
    images: Images
    repositories: Repositories
    checkout: CheckoutPorts
    keeper: Callable[[Carry], CarriedKeeper]
    signing_key: bytes
    seal: Seal
    belongs_to: BelongsTo
    new_masker: NewMasker
    logs: Callable[[Path], Logs]
    read_plan: Callable[[str], PlanReader]
    default_image: str
    reaper: Reaper
    runtime_dir: Path


def machines_ready(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Machines kept ready before a build asks for one: one, where there is memory for it beside a build."""
    return 1 if _available_kib(meminfo) >= 2 * MACHINE_MIB * 1024 else 0


def machines_that_fit(meminfo: Path = Path("/proc/meminfo"), cores: int | None = None) -> int:
    """Builds at once that this host has memory and cores for, at least one."""
    by_memory = _available_kib(meminfo) // (MACHINE_MIB * 1024)
    by_cores = cores if cores is not None else len(os.sched_getaffinity(0))
    return max(1, min(by_memory, by_cores, MOST_MACHINES))


def _available_kib(meminfo: Path) -> int:
    lines = (line.split() for line in meminfo.read_text(encoding="ascii").splitlines())
    kib = {fields[0].rstrip(":"): int(fields[1]) for fields in lines if len(fields) > 1}
    return kib.get("MemAvailable", 0)
