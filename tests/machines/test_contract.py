"""A real machine keeps the contract of the Machine port."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sealock.core.machine import Machine, MachineSpec
from sealock.machines.qemu import QemuMachines
from tests.support.machine_contract import (
    CommandContract,
    EndingContract,
    FlowContract,
    LossContract,
    ServingContract,
    Subject,
)
from tests.support.machines import guest_of

pytestmark = pytest.mark.slow
UNIX_CLIENT = ("nc", "-U")


async def _never() -> None:
    raise AssertionError("a machine that is shared is not cut off")


class TestMachine(CommandContract, FlowContract, EndingContract, ServingContract):
    @pytest.fixture(scope="module")
    async def shared(self, machines: QemuMachines, spec: MachineSpec) -> AsyncIterator[Machine]:
        async with machines.machine(spec) as machine:
            yield machine

    @pytest.fixture
    async def subject(self, shared: Machine) -> Subject:
        return Subject(shared, _never, UNIX_CLIENT)


class TestLoss(LossContract):
    """Cut off by the death of its process, which is what every other way comes to in the end."""

    @pytest.fixture
    async def subject(self, machines: QemuMachines, spec: MachineSpec) -> AsyncIterator[Subject]:
        async with machines.machine(spec) as machine:

            async def cut() -> None:
                child = guest_of(machine).child
                assert child is not None
                child.kill()

            yield Subject(machine, cut, UNIX_CLIENT)
