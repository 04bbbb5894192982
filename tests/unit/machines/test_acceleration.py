"""Whether KVM is used: only where the machines' own user may, and where a guest has proved it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sealock.core.errors import PermanentError
from sealock.core.image import Image
from sealock.machines import acceleration
from sealock.machines.containment import kvm_groups
from sealock.machines.options import MachineOptions
from tests.support.run import FakeImages

pytestmark = pytest.mark.anyio
OWN_GROUP = os.getgid() or 7


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for /dev/kvm, of a group of its own where the tests may make one."""
    path = tmp_path / "kvm"
    path.touch()
    if os.geteuid() == 0:
        os.chown(path, 0, OWN_GROUP)
    path.chmod(0o660)
    monkeypatch.setattr(acceleration, "KVM", path)
    monkeypatch.setattr(acceleration, "kvm_groups", lambda: kvm_groups(path))
    return path


@pytest.fixture
def options(tmp_path: Path) -> Iterator[MachineOptions]:
    """With a QEMU that proves whatever it is asked to by ending well, and counts how often."""
    with TemporaryDirectory(dir="/dev/shm") as runtime:
        qemu = tmp_path / "qemu"
        qemu.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec echo QEMU 9\necho >>{tmp_path}/proofs\n')
        qemu.chmod(0o755)
        yield MachineOptions(runtime_dir=Path(runtime), qemu=str(qemu))


@pytest.mark.parametrize(
    ("mode", "groups"), [(0o660, (OWN_GROUP,)), (0o666, ()), (0o600, None), (0o640, None)]
)
def test_who_may_use_the_device(device: Path, mode: int, groups: tuple[int, ...] | None) -> None:
    device.chmod(mode)
    assert kvm_groups(device) == groups


def test_there_may_be_none(tmp_path: Path) -> None:
    assert kvm_groups(tmp_path / "kvm") is None


async def test_what_was_proved_is_remembered(device: Path, options: MachineOptions, tmp_path: Path) -> None:
    for _ in range(3):
        assert await acceleration.decide(options, FakeImages()) == "kvm"
    assert (tmp_path / "proofs").read_text() == "\n"


async def test_one_for_root_alone_is_said_once_and_not_used(
    device: Path, options: MachineOptions, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    device.chmod(0o600)
    for _ in range(3):
        assert await acceleration.decide(options, FakeImages()) == "tcg"
    assert caplog.text.count("for the user of machines") == 1
    assert not (tmp_path / "proofs").exists()
    device.chmod(0o660)
    assert await acceleration.decide(options, FakeImages()) == "kvm", "what was remembered is of before"


async def test_without_an_image_nothing_is_proved(
    device: Path, options: MachineOptions, caplog: pytest.LogCaptureFixture
) -> None:
    class NoImages(FakeImages):
        def all(self) -> list[Image]:
            return []

    assert await acceleration.decide(options, NoImages()) == "tcg"
    assert caplog.text == ""


async def test_kvm_by_name_must_work(device: Path, options: MachineOptions) -> None:
    device.chmod(0o600)
    with pytest.raises(PermanentError, match="KVM does not work") as refused:
        await acceleration.decide(replace(options, acceleration="kvm"), FakeImages())
    assert "'tcg'" in refused.value.resolution


async def test_a_guest_that_gets_nowhere_proves_nothing(tmp_path: Path) -> None:
    qemu = tmp_path / "qemu"
    qemu.write_text("#!/bin/sh\nexec sleep 60\n")
    qemu.chmod(0o755)
    assert not await acceleration.prove(str(qemu), FakeImages().find("base"), seconds=0.2)
