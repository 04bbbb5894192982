"""A host that could not keep the promises is refused, with what to do about it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError, TemporaryError
from sealock.machines import preflight
from sealock.machines.containment import machine_user
from sealock.machines.options import MachineOptions

NO_SWAP = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
DISK = NO_SWAP + "/dev/vda2                               partition\t1048572\t\t0\t\t-2\n"
FILE = NO_SWAP + "/swap\\040file                           file\t\t1048572\t\t0\t\t-2\n"
ZRAM = NO_SWAP + "/dev/zram0                              partition\t1048572\t\t0\t\t100\n"
OPTIONS = MachineOptions(runtime_dir=Path("/dev/shm/sealock-nowhere"), qemu="true", pasta="true")


def meminfo(available_mib: int) -> str:
    return f"MemTotal:       99999999 kB\nMemFree:  1 kB\nMemAvailable:   {available_mib << 10} kB\n"


def test_no_swap_is_well() -> None:
    preflight.check_swap(OPTIONS, NO_SWAP)


@pytest.mark.parametrize(
    "swaps", [DISK, FILE, ZRAM + DISK.removeprefix(NO_SWAP)], ids=["disk", "file", "both"]
)
def test_swap_is_refused_and_named(swaps: str, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="swap is on") as refused:
        preflight.check_swap(OPTIONS, swaps, tmp_path)
    assert ("/dev/vda2" in refused.value.brief) or ("/swap" in refused.value.brief)
    assert "swapoff -a" in refused.value.resolution


def test_swap_that_is_vouched_for_is_taken() -> None:
    preflight.check_swap(replace(OPTIONS, swap_is_encrypted=True), DISK)


@pytest.mark.parametrize("backing", [None, "none\n"])
def test_compressed_memory_is_memory(backing: str | None, tmp_path: Path) -> None:
    (tmp_path / "zram0").mkdir()
    if backing is not None:
        (tmp_path / "zram0/backing_dev").write_text(backing)
    preflight.check_swap(OPTIONS, ZRAM, tmp_path)


def test_compressed_memory_with_a_disk_behind_it_is_not(tmp_path: Path) -> None:
    (tmp_path / "zram0").mkdir()
    (tmp_path / "zram0/backing_dev").write_text("/dev/vda3\n")
    with pytest.raises(PermanentError, match="zram0"):
        preflight.check_swap(OPTIONS, ZRAM, tmp_path)


def test_too_little_memory_is_told_in_numbers() -> None:
    preflight.check_memory(1024, meminfo(1408))
    with pytest.raises(TemporaryError, match="1407 MiB available, 1408 MiB needed") as refused:
        preflight.check_memory(1024, meminfo(1407))
    assert "smaller machine" in refused.value.resolution


@pytest.mark.parametrize(
    ("change", "package"), [({"qemu": "/no/qemu"}, "qemu-system-x86"), ({"pasta": "no-pasta"}, "passt")]
)
def test_a_missing_program_is_named_with_its_package(change: dict[str, str], package: str) -> None:
    with pytest.raises(PermanentError, match=next(iter(change.values()))) as refused:
        preflight.check_programs(replace(OPTIONS, **change))  # type: ignore[arg-type]
    assert package in refused.value.resolution


def test_the_tools_are_looked_for_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "true").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PermanentError, match="is missing"):
        preflight.check_programs(OPTIONS)


def test_a_runtime_directory_on_a_disk_is_refused() -> None:
    with pytest.raises(PermanentError, match="not on tmpfs") as refused:
        preflight.check_runtime_directory(Path("/usr/lib"))
    assert "/run/sealock" in refused.value.resolution


def test_one_in_memory_is_made_for_us_alone() -> None:
    path = Path("/dev/shm") / f"sealock-test-{os.getpid()}"
    try:
        preflight.check_runtime_directory(path)
        assert path.stat().st_mode & 0o777 == 0o700
    finally:
        path.rmdir()


def _not_root() -> int:
    return 1000


def test_only_root_starts_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    not_root: Callable[[], int] = _not_root
    monkeypatch.setattr(os, "geteuid", not_root)
    with pytest.raises(PermanentError, match="needs root") as refused:
        preflight.check(OPTIONS)
    assert "sudo" in refused.value.resolution


def test_the_machine_user_must_be_there_and_be_nobody_in_particular() -> None:
    with pytest.raises(PermanentError, match="does not exist") as refused:
        machine_user("sealock-no-such-user", kvm=False)
    assert "useradd" in refused.value.resolution
    with pytest.raises(PermanentError, match="may not run as root"):
        machine_user("root", kvm=False)
