"""The chain that a program is started through takes everything away before it becomes the program."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sealock.machines.cgroup import Cgroup
from sealock.machines.containment import FIRST_UID, User, for_pasta, for_qemu, limits, of_the_living

USER = User(1234, 5678)


def test_each_machine_has_a_user_id_of_its_own() -> None:
    one, other = USER.for_machine("0" * 32), USER.for_machine("f" * 32)
    assert one.uid == FIRST_UID
    assert other.uid == 0x7FFFFFFF
    assert (one.gid, other.gid) == (5678, 5678)
    assert USER.for_machine("0000001" + "f" * 25).uid == FIRST_UID + 1


@pytest.mark.parametrize("chain", [for_qemu(["it"], USER, Cgroup()), for_pasta(["it"], USER, Cgroup())])
def test_nothing_is_gained_dumped_or_left(chain: list[str]) -> None:
    assert chain[-7:] == ["--", *of_the_living(["it"])]
    for word in ("--core=0:0", "--no-new-privs", "--pdeathsig=KILL", "--reuid=1234", "--regid=5678"):
        assert word in chain
    assert "--clear-groups" in chain


def test_what_has_lost_its_parent_by_then_does_not_begin(tmp_path: Path) -> None:
    """The parent dies while the chain is still at its beginning, so that nothing would end what begins."""
    begun = tmp_path / "begun"
    assert subprocess.run(of_the_living(["touch", str(begun)]), check=True) and begun.exists()
    begun.unlink()
    child = subprocess.run(
        ["sh", "-c", '"$@"; exit $?', "sh", *of_the_living(["touch", str(begun)])], check=False
    )
    assert (child.returncode, begun.exists()) == (125, False)


def test_qemu_keeps_no_capability_and_no_network() -> None:
    chain = for_qemu(["it"], USER, Cgroup())
    assert {"--inh-caps=-all", "--bounding-set=-all", "--net"} <= set(chain)


def test_kvm_is_the_one_group_there_may_be() -> None:
    assert "--groups=108" in for_qemu(["it"], User(1, 2, (108,)), Cgroup())


def test_limits_first_then_the_program(tmp_path: Path) -> None:
    """Joining is done by text that is fixed; what varies are its arguments, blanks and quotes included."""
    files = {name: tmp_path / f"it's {name}" for name in ("memory", "pids")}
    for directory in files.values():
        directory.mkdir()
    chain = for_qemu(["it"], USER, Cgroup(files))
    joined = [*chain[: chain.index("prlimit")], "echo", "then"]
    done = subprocess.run(joined, capture_output=True, text=True, check=True)
    assert done.stdout == "then\n"
    assert {(path / "cgroup.procs").read_text().strip().isdigit() for path in files.values()} == {True}


def test_a_limit_that_cannot_be_joined_stops_the_start(tmp_path: Path) -> None:
    chain = for_qemu(["it"], USER, Cgroup({"memory": tmp_path / "missing"}))
    joined = [*chain[: chain.index("prlimit")], "echo", "then"]
    done = subprocess.run(joined, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (125, "")


def test_what_is_enforced_is_said() -> None:
    assert {limit.name for limit in limits(USER)} >= {"user", "core dumps", "new privileges"}
    assert all(limit.enforced for limit in limits(USER))
