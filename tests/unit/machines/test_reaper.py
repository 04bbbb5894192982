"""What a crash leaves is found by our marks and ended; what is of the living, or not ours, stays."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from sealock.core.machine import Remains
from sealock.core.scratch import scratch
from sealock.machines import marks
from sealock.machines.marks import Mark, Owner
from sealock.machines.reaper import HostReaper
from tests.support.processes import CAT, standing

MACHINE = os.urandom(16).hex()
DEAD = Owner(2**22 + 1, 1, "another-boot")


def of(machine: str, remains: list[Remains]) -> list[Remains]:
    return [each for each in remains if each.machine == machine]


def age(path: Path) -> None:
    os.utime(path, (time.time() - 3600,) * 2)


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert of(MACHINE, HostReaper(tmp_path / "none").find()) == []


def test_a_process_of_the_dead_is_ended(tmp_path: Path) -> None:
    with standing(marks.environment(MACHINE, DEAD)) as child:
        expected = Remains(MACHINE, "process", str(child.pid), DEAD.pid, True)
        assert of(MACHINE, HostReaper(tmp_path).find()) == [expected]
        assert of(MACHINE, HostReaper(tmp_path).reap()) == [expected]
        assert child.wait(60) == -9
        assert of(MACHINE, HostReaper(tmp_path).find()) == []


def test_one_of_the_living_is_shown_and_stays(tmp_path: Path) -> None:
    with standing(marks.environment(MACHINE, marks.this_process())) as child:
        (found,) = of(MACHINE, HostReaper(tmp_path).find())
        assert (found.owner, found.orphaned) == (os.getpid(), False)
        assert of(MACHINE, HostReaper(tmp_path).reap()) == []
        assert child.poll() is None


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {marks.MACHINE: MACHINE},
        {marks.OWNER: str(DEAD)},
        {marks.MACHINE: MACHINE, marks.OWNER: "1"},
        {marks.MACHINE: MACHINE, marks.OWNER: "x.y.z"},
    ],
    ids=["none", "machine", "owner", "owner without a start", "owner of no process"],
)
def test_one_without_both_marks_is_not_ours(tmp_path: Path, environment: dict[str, str]) -> None:
    """Whatever it is called."""
    program = tmp_path / "qemu-system-x86_64"
    program.symlink_to(CAT)
    with standing(environment, program) as child:
        assert of(MACHINE, HostReaper(tmp_path).reap()) == []
        assert child.poll() is None


def test_directories_of_the_dead_are_removed(tmp_path: Path) -> None:
    dead = Mark(tmp_path / "machines", MACHINE, DEAD)
    living = Mark(tmp_path / "machines", "1" * 32, marks.this_process())
    dead.make()
    living.make()
    gone = of(MACHINE, HostReaper(tmp_path).reap())
    assert gone == [Remains(MACHINE, "directory", str(dead.directory), DEAD.pid, True)]
    assert marks.find(tmp_path / "machines") == [living]


def test_one_that_had_not_got_its_mark_is_removed_once_it_is_old(tmp_path: Path) -> None:
    unmarked = tmp_path / "machines" / f".{MACHINE}"
    unmarked.mkdir(parents=True)
    HostReaper(tmp_path).reap()
    assert unmarked.exists(), "somebody may be making it right now"
    age(unmarked)
    assert f".{MACHINE}" in {each.machine for each in HostReaper(tmp_path).find()}
    HostReaper(tmp_path).reap()
    assert not unmarked.exists()


def test_scratch_of_the_dead_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "snapshot-0123456789abcdef"
    unnamed = tmp_path / ".agent-0123456789abcdef"
    others = tmp_path / "notes-of-mine"
    for directory in (left, unnamed, others):
        directory.mkdir()
        (directory / "file").touch()
    age(unnamed)
    with scratch(tmp_path, "agent") as living:
        HostReaper(tmp_path).reap()
        assert sorted(tmp_path.iterdir()) == sorted([living, others])


def test_half_a_template_is_removed_unless_somebody_makes_it(tmp_path: Path) -> None:
    half = tmp_path / "templates" / f"{'a' * 64}.new"
    half.mkdir(parents=True)
    lock = half.with_suffix(".lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    HostReaper(tmp_path).reap()
    assert half.exists()
    os.close(descriptor)
    HostReaper(tmp_path).reap()
    assert not half.exists()
