"""The keeper's time never goes back and its number only goes up."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealock.core.errors import PermanentError
from sealock.core.release import Entry, LeaseEnded
from sealock.keeper.epoch import Epoch
from tests.support.keeper import FakeClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keeper" / "epoch"


def entry(sequence: int, at: float, digest: str = "ab" * 32) -> Entry:
    return Entry(sequence, at, LeaseEnded("b", 1, "w"), "0" * 64, digest)


def test_time_goes_on_when_the_clock_is_set_back(path: Path) -> None:
    clock = FakeClock(wall=5000.0)
    epoch = Epoch(path, clock.clocks())
    assert epoch.now() == 5000.0
    clock.wall = 100.0
    clock.running += 10
    assert epoch.now() == 5010.0


def test_a_clock_set_forward_and_back_again_does_not_stop_time(path: Path) -> None:
    """Else whoever answers for the host's time once has leases and grants that never run out."""
    clock = FakeClock(wall=5000.0)
    epoch = Epoch(path, clock.clocks())
    clock.wall = 900_000.0
    assert epoch.now() == 900_000.0
    clock.wall = 5000.0
    for later in (10, 3600):
        clock.pass_by(later)
    assert epoch.now() == 903_610.0
    epoch.keep(None)
    clock.pass_by(60)
    assert epoch.now() == 903_670.0


def test_time_goes_on_over_a_restart_and_a_clock_set_back_begins_an_epoch(path: Path) -> None:
    clock = FakeClock(wall=5000.0)
    first = Epoch(path, clock.clocks())
    first.keep(None)
    clock.wall = 4990.0
    slightly = Epoch(path, clock.clocks())
    assert (slightly.now(), slightly.number) == (5000.0, first.number)
    clock.wall = 1000.0
    later = Epoch(path, clock.clocks())
    assert later.now() >= 5000.0
    assert later.number > first.number


def test_a_lost_file_begins_a_number_not_given_before(path: Path) -> None:
    clock = FakeClock(wall=5000.0)
    first = Epoch(path, clock.clocks())
    clock.pass_by(1)
    latest = first.advance()
    path.unlink()
    clock.pass_by(1)
    assert Epoch(path, clock.clocks()).number > latest


def test_a_number_that_was_told_outlives_a_keeper_that_is_killed(path: Path) -> None:
    """Else what was ended is valid again after a crash."""
    clock = FakeClock(wall=5000.0)
    told = Epoch(path, clock.clocks()).advance()
    assert Epoch(path, clock.clocks()).number == told


def test_the_ledger_is_a_floor_too(path: Path) -> None:
    clock = FakeClock(wall=5000.0)
    epoch = Epoch(path, clock.clocks())
    epoch.not_before(entry(1, 9000.0))
    clock.running += 5
    assert epoch.now() == 9005.0


def test_another_ledger_is_not_taken_for_ours(path: Path) -> None:
    epoch = Epoch(path, FakeClock().clocks())
    epoch.keep(entry(3, 10.0))
    again = Epoch(path, FakeClock().clocks())
    again.not_before(entry(3, 10.0))
    again.check_head(entry(4, 11.0))
    with pytest.raises(PermanentError, match="not the one"):
        again.not_before(entry(3, 10.0, "cd" * 32))
    for shorter in (None, entry(2, 10.0)):
        with pytest.raises(PermanentError, match="not the one"):
            again.check_head(shorter)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"number":0,"latest":1.0,"sequence":0,"digest":""}', b"x" * 99]
)
def test_a_file_that_is_not_as_it_was_written_is_refused(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(PermanentError, match="not as it was written"):
        Epoch(path)


def test_a_file_others_can_change_is_refused(path: Path) -> None:
    Epoch(path)
    path.chmod(0o666)
    with pytest.raises(PermanentError, match="not safe"):
        Epoch(path)
