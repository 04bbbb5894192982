"""The marks by which the reaper knows what is ours, and whose of us."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.machines.marks import (
    MACHINE,
    OWNER,
    Mark,
    Owner,
    environment,
    find,
    parse_owner,
    start_time,
    this_process,
)

MACHINE_ID = "0123456789abcdef" * 2


def test_we_live() -> None:
    assert this_process().alive


def test_an_owner_is_read_as_it_was_written() -> None:
    owner = this_process()
    assert parse_owner(f"{owner}\n") == owner


@pytest.mark.parametrize("text", ["", "1.2", "a.b.c", "1.2.3.4", "1"])
def test_anything_else_is_no_owner(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_owner(text)


@pytest.mark.parametrize("change", [{"start": 1}, {"boot": "another"}, {"pid": 2**22 + 1}])
def test_another_process_of_the_same_number_is_not_us(change: dict[str, object]) -> None:
    assert not replace(this_process(), **change).alive  # type: ignore[arg-type]


def test_a_process_that_ended_has_no_start_also_before_it_is_reaped() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert start_time(child.pid) is None


def test_a_name_cannot_forge_a_start(tmp_path: Path) -> None:
    program = tmp_path / ") Z 1 (x"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "30"]) as child:
        try:
            with subprocess.Popen(["/bin/sleep", "30"]) as plain:
                expected = start_time(plain.pid)
                plain.kill()
            found = start_time(child.pid)
        finally:
            child.kill()
    assert found is not None
    assert expected is not None
    assert abs(found - expected) < 1000


def test_a_mark_is_there_with_its_owner_or_not_at_all(tmp_path: Path) -> None:
    mark = Mark(tmp_path / "machines", MACHINE_ID, this_process())
    assert find(tmp_path / "machines") == []
    mark.make()
    assert find(tmp_path / "machines") == [mark]
    assert [path.name for path in (tmp_path / "machines").iterdir()] == [MACHINE_ID]
    mark.remove()
    mark.remove()
    assert find(tmp_path / "machines") == []


@pytest.mark.parametrize("was", [None, 0o755])
def test_which_machines_there_are_is_nobody_elses_to_see(tmp_path: Path, was: int | None) -> None:
    """Though a keeper or a website of another user may pass through the directory around them."""
    tmp_path.chmod(0o711)
    if was is not None:
        (tmp_path / "machines").mkdir(mode=was)
    Mark(tmp_path / "machines", MACHINE_ID, this_process()).make()
    assert (tmp_path / "machines").stat().st_mode & 0o777 == 0o700


def test_a_mark_that_cannot_be_read_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / MACHINE_ID).mkdir()
    (tmp_path / MACHINE_ID / "owner").write_text("nonsense")
    assert find(tmp_path) == [Mark(tmp_path, MACHINE_ID, Owner(0, 0, ""))]
    assert not find(tmp_path)[0].owner.alive


def test_a_process_carries_machine_and_owner() -> None:
    owner = this_process()
    assert environment(MACHINE_ID, owner) == {MACHINE: MACHINE_ID, OWNER: str(owner)}
