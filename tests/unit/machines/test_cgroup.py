"""Limits by whichever cgroup version a host has, each made of directories of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealock.machines import cgroup
from sealock.machines.cgroup import Budget, Cgroup

MACHINE = "0" * 32
BUDGET = Budget(memory_mib=1024, cpus=2)


@pytest.fixture
def version_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with version 1 controllers, as some distributions mount them."""
    rows = []
    for name in ("memory", "cpu,cpuacct", "pids"):
        (tmp_path / name).mkdir()
        rows.append(("cgroup", tmp_path / name, {"rw", *name.split(",")}))
    monkeypatch.setattr(cgroup, "_mounts", lambda: rows)
    return tmp_path


@pytest.fixture
def version_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (tmp_path / "sealock").mkdir()
    (tmp_path / "sealock/cgroup.subtree_control").write_text("cpu memory pids\n")
    monkeypatch.setattr(cgroup, "_mounts", lambda: [("cgroup2", tmp_path, {"rw"})])
    return tmp_path


def test_version_1(version_1: Path) -> None:
    made = cgroup.make(MACHINE, BUDGET)
    own = {name: version_1 / name / "sealock" / MACHINE for name in ("memory", "cpu,cpuacct", "pids")}
    assert (own["memory"] / "memory.limit_in_bytes").read_text() == str(BUDGET.memory_bytes)
    assert (own["cpu,cpuacct"] / "cpu.cfs_quota_us").read_text() == "250000"
    assert (own["pids"] / "pids.max").read_text() == "64"
    assert made.process_files == sorted(str(path / "cgroup.procs") for path in own.values())
    assert [(limit.mechanism, limit.enforced) for limit in made.limits] == [("cgroup v1", True)] * 3


def test_version_2(version_2: Path) -> None:
    made = cgroup.make(MACHINE, BUDGET)
    own = version_2 / "sealock" / MACHINE
    assert (own / "memory.max").read_text() == str(BUDGET.memory_bytes)
    assert (own / "cpu.max").read_text() == "250000 100000"
    assert (own / "pids.max").read_text() == "64"
    assert made.process_files == [str(own / "cgroup.procs")]
    assert {limit.mechanism for limit in made.limits} == {"cgroup v2"}


def test_a_host_without_any_is_not_refused_but_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "_mounts", lambda: [])
    made = cgroup.make(MACHINE, BUDGET)
    assert made.process_files == []
    assert [(limit.mechanism, limit.enforced) for limit in made.limits] == [("none", False)] * 3
    assert made.private_memory() is None
    assert made.is_free()
    assert made.remove()


def test_a_controller_that_is_missing_is_said(version_1: Path) -> None:
    (version_1 / "pids").rmdir()
    (version_1 / "pids").write_text("")
    made = cgroup.make(MACHINE, BUDGET)
    assert {limit.name: limit.enforced for limit in made.limits} == {
        "memory": True,
        "processor time": True,
        "processes and threads": False,
    }


def test_what_an_earlier_process_made_is_found(version_1: Path) -> None:
    assert cgroup.existing(MACHINE).directories == {}
    cgroup.make(MACHINE, BUDGET)
    assert set(cgroup.existing(MACHINE).directories) == {"memory", "cpu", "pids"}


@pytest.mark.parametrize(
    ("text", "value"), [("cache 9\nrss 5\n", 5), ("anon 7\nfile 9\nkernel 3\n", 7), ("cache 9\n", 0)]
)
def test_memory_of_its_own_is_counted(tmp_path: Path, text: str, value: int) -> None:
    (tmp_path / "memory.stat").write_text(text)
    assert Cgroup({"memory": tmp_path}).private_memory() == value


def test_it_is_free_when_processes_and_memory_are_gone(tmp_path: Path) -> None:
    group = Cgroup({"memory": tmp_path})
    (tmp_path / "memory.stat").write_text("rss 4096\n")
    (tmp_path / "cgroup.procs").write_text("1\n2\n")
    assert group.processes() == {1, 2}
    assert not group.is_free()
    (tmp_path / "cgroup.procs").write_text("")
    assert group.is_free()
    (tmp_path / "memory.stat").write_text(f"rss {8 << 20}\n")
    assert not group.is_free()


def test_a_group_that_is_in_use_stays(tmp_path: Path) -> None:
    (tmp_path / "group/below").mkdir(parents=True)
    group = Cgroup({"memory": tmp_path / "group"})
    assert not group.remove(patience=0.01)
    (tmp_path / "group/below").rmdir()
    assert group.remove(patience=0.01)
    assert group.remove(patience=0.01), "one that is gone is no trouble"
