"""Templates in use: a damaged copy is made anew with a word of warning, none at all is a cold boot."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sealock.core.image import Image
from sealock.core.machine import MachineSpec, Origin
from sealock.machines.image.store import ImageStore
from sealock.machines.options import MachineOptions
from sealock.machines.qemu import QemuMachines
from tests.support.machines import assert_gone, assert_runtime_is_clean, sh

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture(scope="module")
def own_runtime() -> Iterator[Path]:
    """A runtime directory whose templates may be damaged."""
    with TemporaryDirectory(prefix="sealock-templates-", dir="/dev/shm") as name:
        yield Path(name)
        assert_runtime_is_clean(Path(name))


@pytest.fixture(scope="module")
def own_options(machine_options: MachineOptions, own_runtime: Path, machines: QemuMachines) -> MachineOptions:
    """With the acceleration that was proved for the session."""
    return replace(machine_options, runtime_dir=own_runtime, acceleration=machines.host.acceleration)


@pytest.fixture
def small(spec: MachineSpec) -> MachineSpec:
    """A machine whose template is small."""
    return replace(spec, memory_mib=256, disk_mib=64)


async def _start_one(options: MachineOptions, images: ImageStore, spec: MachineSpec) -> Origin:
    async with QemuMachines.from_options(options, images) as machines:
        async with machines.machine(spec) as machine:
            assert await sh(machine, "echo well") == "well"
        assert_gone(machine.record)
        return machine.record.origin


async def test_one_is_made_kept_and_used_by_the_next_process(
    own_options: MachineOptions, image_store: ImageStore, small: MachineSpec, caplog: pytest.LogCaptureFixture
) -> None:
    assert await _start_one(own_options, image_store, small) is Origin.CLONE
    (kept,) = own_options.runtime_dir.glob("templates/*/template.json")
    made = kept.stat().st_ino  # its time is when it was last used
    assert await _start_one(own_options, image_store, small) is Origin.CLONE
    assert kept.stat().st_ino == made
    assert caplog.records == []


@pytest.mark.parametrize("name", ["memory", "template.json"])
async def test_a_damaged_one_is_made_anew(
    own_options: MachineOptions,
    image_store: ImageStore,
    small: MachineSpec,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    (kept,) = own_options.runtime_dir.glob(f"templates/*/{name}")
    before = hashlib.sha256(kept.read_bytes()).digest()
    kept.chmod(0o600)
    with kept.open("r+b") as file:
        file.seek(kept.stat().st_size // 2)
        file.write(b"damage")
    with caplog.at_level(logging.WARNING):
        assert await _start_one(own_options, image_store, small) is Origin.CLONE
    assert "The kept template is damaged and is made anew" in caplog.text
    (again,) = own_options.runtime_dir.glob(f"templates/*/{name}")
    assert b"damage" not in again.read_bytes()
    assert name != "memory" or hashlib.sha256(again.read_bytes()).digest() != before, "a boot of its own"


async def test_a_template_is_not_changed_by_its_clones(machines: QemuMachines, spec: MachineSpec) -> None:
    image = machines._images.find(spec.image)
    template = await machines._templates.get(image, spec)
    assert template is not None
    before = _digest(template.memory)
    async with machines.machine(spec) as machine:
        await sh(machine, "head -c 200M /dev/zero | tr '\\0' x >file; sync", root=True)
    assert _digest(template.memory) == before


def _digest(descriptor: int) -> str:
    """Of the parts of a memory that hold data."""
    digest = hashlib.sha256()
    for offset in range(0, os.fstat(descriptor).st_size, 1 << 20):
        piece = os.pread(descriptor, 1 << 20, offset)
        if piece.strip(b"\0"):
            digest.update(f"{offset}".encode() + piece)
    return digest.hexdigest()


async def test_without_one_machines_boot_from_cold(
    own_options: MachineOptions, image_store: ImageStore, small: MachineSpec, base_image: Image
) -> None:
    """As it is where a template cannot be made: it takes longer, and everything else is the same."""
    async with QemuMachines.from_options(own_options, image_store) as machines:
        machines._templates.give_up(base_image, small)
        async with machines.machine(small) as machine:
            assert machine.record.origin is Origin.COLD_BOOT
            assert await sh(machine, "cat /etc/machine-id") == machine.record.id
    assert_gone(machine.record)


async def test_machines_of_a_pool_wait_ready_and_serve_once(
    machine_options: MachineOptions, image_store: ImageStore, spec: MachineSpec
) -> None:
    options = replace(machine_options, pool_size=2)
    seen = []
    async with QemuMachines.from_options(options, image_store) as machines:
        await machines.prepare(spec)
        for _ in range(3):
            async with machines.machine(spec) as machine:
                assert machine.record.origin in {Origin.POOL, Origin.CLONE}
                assert (
                    await sh(machine, "test ! -e ~/used; touch ~/used; cat /etc/machine-id")
                    == machine.record.id
                )
            assert_gone(machine.record)
            seen.append(machine.record)
    assert seen[0].origin is Origin.POOL
    assert len({record.id for record in seen}) == 3


async def test_processes_lie_alike_where_they_are_emulated(machines: QemuMachines, spec: MachineSpec) -> None:
    """Else each one is translated anew; where nothing is translated they keep their random places."""
    look = "for i in 1 2 3; do head -n 1 /proc/self/maps; done | sort -u | wc -l"
    async with machines.machine(spec) as machine:
        layouts = int(await sh(machine, look))
        assert layouts == (1 if machine.record.acceleration == "tcg" else 3)
        if machine.record.acceleration == "tcg":
            await machine.run(["sysctl", "-q", "kernel.randomize_va_space=2"], root=True)
            assert int(await sh(machine, look)) == 3, "a build may want it"
