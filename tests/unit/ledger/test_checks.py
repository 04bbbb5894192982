"""Honest receipts of builds in which a promise was broken: authentic, and each names its promise (P3…P9)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sealock.core.build import BuildRecord, Outcome
from sealock.core.decision import Denied
from sealock.core.machine import Ending, MachineRecord, MachineState, Origin
from sealock.core.receipt import Verification
from sealock.ledger.receipts import ReceiptFiles
from sealock.ledger.signing import InstallationKey
from sealock.ledger.verify import ReceiptVerifier

Change = Callable[[BuildRecord], object]


def _machine(record: BuildRecord) -> MachineRecord:
    assert record.machine is not None
    return record.machine


def _move(record: BuildRecord, state: MachineState, at: float | None) -> None:
    """Enter a state at another time, or never."""
    states = _machine(record).states
    position = [entered for entered, _ in states].index(state)
    states[position : position + 1] = [] if at is None else [(state, at)]


@pytest.fixture
def judge(key: InstallationKey, record: BuildRecord, tmp_path: Path) -> Callable[[Change], Verification]:
    def judged(change: Change) -> Verification:
        change(record)
        receipt = ReceiptFiles(tmp_path / "receipts", key).sign(record)
        return ReceiptVerifier(key.public_key).verify(receipt.envelope)

    return judged


def _no_machine(record: BuildRecord) -> None:
    record.machine = record.log = None
    record.commands.clear()
    record.releases.clear()
    record.key_fingerprint = record.key_opened_at = record.key_removed_at = record.first_command_at = None
    record.outcome = Outcome.ERROR


def _lost(record: BuildRecord) -> None:
    """The guest powered itself off under the build, before we noticed."""
    machine = _machine(record)
    machine.ending, record.outcome = Ending.POWERED_OFF, Outcome.MACHINE_LOST
    machine.process_reaped_at = machine.states[3][1] - 0.5
    machine.memory_free_at = machine.states[3][1] - 0.4


def _ready_late(record: BuildRecord) -> None:
    assert record.key_opened_at is not None
    _move(record, MachineState.READY, record.key_opened_at + 0.001)
    _move(record, MachineState.BUSY, record.key_opened_at + 0.002)


KEPT: dict[str, Change] = {
    "as it was": lambda it: None,
    "no machine was started": _no_machine,
    "the guest ended by itself": _lost,
    "no key was needed": lambda it: it.__dict__.update(
        key_fingerprint=None, key_version=None, key_opened_at=None, key_removed_at=None
    ),
    "the fetch failed before the key was opened": lambda it: it.__dict__.update(
        key_opened_at=None, key_removed_at=None, first_command_at=None, commands=[], outcome=Outcome.ERROR
    ),
    "the key was removed in the millisecond of the first command": lambda it: it.__dict__.update(
        first_command_at=it.key_removed_at
    ),
    "an earlier machine did not fit": lambda it: setattr(
        it, "earlier_key_uses", [((it.key_opened_at or 0) - 2, (it.key_opened_at or 0) - 1)]
    ),
    "the build failed": lambda it: it.__dict__.update(outcome=Outcome.RED),
    "the commit was never known": lambda it: it.__dict__.update(commit=None, ref=None),
    "neither commit nor plan were known": lambda it: it.__dict__.update(commit=None, plan_digest=""),
}

BROKEN: dict[str, tuple[str, str, Change]] = {
    "key not seen removed": ("P3", "nobody saw it removed", lambda it: setattr(it, "key_removed_at", None)),
    "key removed after the first command": (
        "P3",
        "before the key was removed",
        lambda it: setattr(it, "key_removed_at", (it.first_command_at or 0) + 0.001),
    ),
    "key removed before it was opened": (
        "P3",
        "removed before it was opened",
        lambda it: setattr(it, "key_removed_at", (it.key_opened_at or 0) - 0.001),
    ),
    "key opened before the machine was ready": (
        "P3",
        "before a machine was ready",
        _ready_late,
    ),
    "key of an earlier machine not seen removed": (
        "P3",
        "nobody saw it removed",
        lambda it: setattr(it, "earlier_key_uses", [((it.key_opened_at or 0) - 2, None)]),
    ),
    "key of an earlier machine removed after it was opened again": (
        "P3",
        "before the key was removed",
        lambda it: setattr(
            it, "earlier_key_uses", [((it.key_opened_at or 0) - 2, (it.key_opened_at or 0) + 0.001)]
        ),
    ),
    "key opened nobody knows when": (
        "P3",
        "nobody knows when",
        lambda it: setattr(it, "key_opened_at", None),
    ),
    "key opened without a machine": (
        "P3",
        "before a machine was ready",
        lambda it: it.__dict__.update(
            machine=None, first_command_at=None, commands=[], log=None, releases=[]
        ),
    ),
    "pretended machine": ("P4", "pretended", lambda it: setattr(_machine(it), "origin", Origin.FAKE)),
    "machine not gone": ("P5", "last seen ending", lambda it: _move(it, MachineState.GONE, None)),
    "ending unknown": ("P5", "not gone", lambda it: setattr(_machine(it), "ending", None)),
    "process not seen to end": (
        "P5",
        "process end",
        lambda it: setattr(_machine(it), "process_reaped_at", None),
    ),
    "memory not seen freed": ("P5", "memory freed", lambda it: setattr(_machine(it), "memory_free_at", None)),
    "memory freed late": (
        "P5",
        "memory was free 31.0 s after the end",
        lambda it: setattr(_machine(it), "memory_free_at", _machine(it).states[3][1] + 31),
    ),
    "one byte on a disk": ("P6", "wrote 1 bytes", lambda it: setattr(_machine(it), "disk_bytes_written", 1)),
    "disk not measured": (
        "P6",
        "was not measured",
        lambda it: setattr(_machine(it), "disk_bytes_written", None),
    ),
    "host key not named": ("P9", "not named", lambda it: setattr(_machine(it), "host_key_fingerprint", "")),
    "host key of another kind": (
        "P9",
        "not named",
        lambda it: setattr(_machine(it), "host_key_fingerprint", "MD5:00:11"),
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_kept(judge: Callable[[Change], Verification], name: str) -> None:
    found = judge(KEPT[name])
    assert [check for check in found.checks if not check.decision] == []
    assert found.authentic
    assert found.kept


@pytest.mark.parametrize("name", BROKEN)
def test_broken(judge: Callable[[Change], Verification], name: str) -> None:
    promise, reason, change = BROKEN[name]
    found = judge(change)
    assert found.authentic
    assert not found.kept
    assert [check.promise for check in found.broken] == [promise]
    decision = found.broken[0].decision
    assert isinstance(decision, Denied)
    assert reason in decision.reason


def test_every_promise_is_asked_about(judge: Callable[[Change], Verification]) -> None:
    found = judge(lambda it: None)
    assert [check.promise for check in found.checks if check.promise] == ["P3", "P4", "P5", "P6", "P9"]
