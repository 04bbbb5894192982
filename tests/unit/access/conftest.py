"""Records in memory, a clock that is set by hand, and two people."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from sealock.access.memory import MemoryAccess
from sealock.access.passwords import Passwords


class Clock:
    """now: seconds since 1970."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def records() -> MemoryAccess:
    return MemoryAccess()


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
