"""The fake keeps the contract of the Machine port. The same contract runs over SSH and over QEMU."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from sealock.core.machine import Ending, MachineSpec
from sealock.machines.fake import FakeMachine, FakeMachines
from tests.support.machine_contract import MachineContract, Subject
from tests.support.unix_client import UNIX_CLIENT


class TestFake(MachineContract):
    @pytest.fixture
    async def subject(self, tmp_path: Path) -> AsyncIterator[Subject]:
        async with FakeMachines(tmp_path / "machines").machine(MachineSpec(image="none")) as machine:

            async def cut() -> None:
                cast("FakeMachine", machine).cut(Ending.LOST)

            yield Subject(machine, cut, UNIX_CLIENT, root=os.geteuid() == 0)
