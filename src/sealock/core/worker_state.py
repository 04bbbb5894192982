"""Where a worker stands, as the server sees it. Whether it is there just now, its last beat says."""

from __future__ import annotations

from enum import StrEnum


class WorkerState(StrEnum):
    """What a worker may do. `revoked` is for good: its certificate opens nothing any more."""

    ACTIVE = "active"
    DRAINING = "draining"  # finishes what it has, takes nothing new
    REVOKED = "revoked"
