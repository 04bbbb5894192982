"""What the fake adds to the contract: its record, its faults, and that nothing of it stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealock.core.errors import TemporaryError
from sealock.core.machine import Ending, MachineSpec, MachineState, Origin
from sealock.machines.fake import FakeMachines, Faults

pytestmark = pytest.mark.anyio
SPEC = MachineSpec(image="sha256:none")


async def test_a_record_is_complete_once_the_machine_is_gone(tmp_path: Path) -> None:
    machines = FakeMachines(tmp_path)
    async with machines.machine(SPEC) as machine:
        assert machine.record.state is MachineState.BUSY
    record = machines.records[0]
    assert [state for state, _ in record.states] == list(MachineState)
    assert (record.ending, record.origin, record.disk_bytes_written) == (Ending.DESTROYED, Origin.FAKE, 0)
    assert record.process_reaped_at is not None


async def test_each_machine_is_new(tmp_path: Path) -> None:
    machines = FakeMachines(tmp_path)
    async with machines.machine(SPEC) as one, machines.machine(SPEC) as other:
        await one.run(["touch", "canary"])
        assert (await other.run(["ls", "-A"])).stdout == b""
        assert one.record.id != other.record.id
    assert list(tmp_path.iterdir()) == []


async def test_a_machine_that_never_comes_up(tmp_path: Path) -> None:
    machines = FakeMachines(tmp_path, Faults(never_ready=True))
    with pytest.raises(TemporaryError):
        async with machines.machine(SPEC):
            pass
    assert [state for state, _ in machines.records[0].states] == ["starting", "ending", "gone"]


@pytest.mark.parametrize("ending", [Ending.LOST, Ending.POWERED_OFF, Ending.PANICKED])
async def test_a_machine_that_goes_in_between(tmp_path: Path, ending: Ending) -> None:
    machines = FakeMachines(tmp_path, Faults(cut_after=10, cut_as=ending))
    async with machines.machine(SPEC) as machine:
        assert (await machine.run(["printf", "12345"])).stdout == b"12345"
        with pytest.raises(TemporaryError):
            await machine.run(["bash", "-c", "printf 123456; sleep 300"])
        with pytest.raises(TemporaryError):
            await machine.run(["true"])
    assert machines.records[0].ending is ending


async def test_the_guests_own_scripts_are_there(tmp_path: Path) -> None:
    async with FakeMachines(tmp_path).machine(SPEC) as machine:
        done = await machine.run(
            ["sh", "-c", 'test -e "$0" && test -e "$X"', "/usr/lib/sealock/shell"],
            env={"X": "/usr/lib/sealock/exec"},
        )
        assert done.exit_code == 0
