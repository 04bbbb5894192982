"""A host network for the attacks that need one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from sealock.machines.image.store import ImageStore
from sealock.machines.options import MachineOptions
from sealock.machines.qemu import QemuMachines
from tests.support.pretend_host import World, pretend_host


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """The module's tests run on a host of their own making, with a world around it."""
    with pretend_host() as made:
        yield made


@pytest.fixture(scope="module")
async def there(
    world: World, machine_options: MachineOptions, image_store: ImageStore
) -> AsyncIterator[QemuMachines]:
    """Machines on that host."""
    async with QemuMachines.from_options(machine_options, image_store) as made:
        yield made
