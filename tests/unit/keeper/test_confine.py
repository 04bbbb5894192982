"""Locking memory, where the host may or may not allow it: a host of tests seldom does."""

from __future__ import annotations

import pytest

from sealock.keeper import confine

ALL_OF_IT_NOW_AND_LATER_ON_FAULT = 1 | 2 | 4


class Libc:
    """Notes what memory is locked, and answers as it is told."""

    def __init__(self, answer: int = 0) -> None:
        self.answer = answer
        self.locked: list[int] = []

    def mlockall(self, flags: int) -> int:
        self.locked.append(flags)
        return self.answer


@pytest.fixture
def libc(monkeypatch: pytest.MonkeyPatch) -> Libc:
    made = Libc()
    monkeypatch.setattr("sealock.keeper.confine.ctypes.CDLL", lambda *_, **__: made)
    return made


def allowed(monkeypatch: pytest.MonkeyPatch, *, lift: bool, capability: bool) -> None:
    monkeypatch.setattr(confine, "_lift_limit", lambda: lift)
    monkeypatch.setattr(confine, "_may_lock", lambda: capability)


@pytest.mark.parametrize(
    ("lift", "capability", "stays"), [(True, False, False), (True, True, True), (False, True, True)]
)
def test_memory_is_locked_where_the_host_allows_it(
    libc: Libc, monkeypatch: pytest.MonkeyPatch, lift: bool, capability: bool, stays: bool
) -> None:
    allowed(monkeypatch, lift=lift, capability=capability)
    assert confine.lock_memory(stays=stays) == "memory: locked, never on swap"
    assert libc.locked == [ALL_OF_IT_NOW_AND_LATER_ON_FAULT]


@pytest.mark.parametrize("stays", [True, False])
def test_with_a_limit_it_is_said_to_be_on_swap_perhaps(
    libc: Libc, monkeypatch: pytest.MonkeyPatch, stays: bool
) -> None:
    """A capability that goes with the user is none: later memory could not be had."""
    allowed(monkeypatch, lift=False, capability=not stays)
    assert confine.lock_memory(stays=stays).startswith("memory: not locked, the limit")
    assert libc.locked == []


def test_what_the_kernel_refuses_is_not_said_to_be_locked(
    libc: Libc, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed(monkeypatch, lift=True, capability=True)
    libc.answer = -1
    assert confine.lock_memory(stays=True).startswith("memory: not locked")
