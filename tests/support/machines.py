"""Real machines for tests, all cloned from one sealed template that a session makes once.

A module has one `QemuMachines`; the template is kept in the session's own directory on tmpfs, which
whatever `sealock` the tests start uses too. When the session ends nothing of any machine may be left.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.core.image import Image
from sealock.core.machine import Machine, MachineRecord, MachineSpec, NetworkPolicy, Origin
from sealock.core.scratch import scratch
from sealock.machines.guest import Guest
from sealock.machines.hardware import Start
from sealock.machines.image.store import ImageStore
from sealock.machines.options import MachineOptions
from sealock.machines.qemu import QemuMachines
from tests.support.traces import left, traces


@pytest.fixture(scope="session")
def machine_runtime() -> Iterator[Path]:
    """The session's runtime directory. Leaving it, nothing may be left on this host or in it."""
    if os.geteuid() != 0:
        pytest.fail("real machines are started by root: run the tests with sudo")
    before = traces()
    # A session that was killed leaves some hundred megabytes; the next one removes them.
    with scratch(Path("/dev/shm"), "sealocktests") as directory:
        yield directory
        remains = left(before)
        assert not remains, f"machines left on this host: {sorted(remains)}"
        assert_runtime_is_clean(directory)


def assert_runtime_is_clean(runtime: Path) -> None:
    """Nothing in it but kept templates, which hold nothing of anybody's."""
    files = {path for path in runtime.rglob("*") if not path.is_relative_to(runtime / "templates")}
    remains = files - {runtime / "templates", runtime / "machines", runtime / "acceleration.json"}
    assert not remains, f"left in the runtime directory: {sorted(map(str, remains))}"


@pytest.fixture(scope="session")
def machine_options(machine_runtime: Path) -> MachineOptions:
    """What machines of this session are started with."""
    return MachineOptions(runtime_dir=machine_runtime)


@pytest.fixture(scope="module")
async def machines(
    machine_options: MachineOptions, image_store: ImageStore, base_image: Image
) -> AsyncIterator[QemuMachines]:
    """The module's machines, from the image `base`."""
    async with QemuMachines.from_options(machine_options, image_store) as made:
        yield made


@pytest.fixture(scope="session")
def spec(base_image: Image) -> MachineSpec:
    """A small machine without a network; what a test is not about costs no time."""
    return MachineSpec(base_image.digest, network=NetworkPolicy.NONE)


@pytest.fixture(scope="session")
def online(spec: MachineSpec) -> MachineSpec:
    """The same with the default network policy."""
    return replace(spec, network=NetworkPolicy.INTERNET)


@asynccontextmanager
async def unfinished(machines: QemuMachines, spec: MachineSpec, image: Image) -> AsyncIterator[Guest]:
    """A clone that waits for its identity, for tests that give it another or log in otherwise."""
    template = await machines._templates.get(image, spec)
    assert template is not None
    guest = Guest(machines.host, image, spec, Origin.CLONE)
    try:
        await guest.begin(template.memory, Start.CLONE)
        await guest.resume(template)
        yield guest
    finally:
        await guest.end()


def guest_of(machine: Machine) -> Guest:
    """The process and its surroundings behind a real machine."""
    guest = getattr(machine, "_guest", None)
    assert isinstance(guest, Guest)
    return guest


async def sh(machine: Machine, text: str, *arguments: str, root: bool = False, timeout: float = 120) -> str:
    """Run shell text that is known to end well; its output without the last newline."""
    done = await machine.run(["bash", "-c", text, "bash", *arguments], root=root, timeout=timeout)
    assert done.exit_code == 0, f"exit {done.exit_code}: {done.stdout[-2000:]!r} {done.stderr[-2000:]!r}"
    return done.stdout.decode().rstrip("\n")


def assert_gone(record: MachineRecord) -> None:
    """The record says that the machine is over, with every number that belongs to it."""
    assert record.process_reaped_at is not None
    assert record.memory_free_at is not None
    assert record.disk_bytes_written == 0
