"""Guests that run out of something, fall over, flood us or go away: a clear outcome, nothing left."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.builds.checkout import CheckoutPorts
from sealock.builds.run import RunResult
from sealock.core.build import Outcome
from sealock.core.event import Output
from sealock.core.machine import Ending, MachineSpec
from sealock.core.source import DirectorySource
from sealock.machines.agent import SshAgents
from sealock.machines.fake import FakeMachines
from sealock.machines.image.store import ImageStore
from sealock.machines.qemu import QemuMachines
from sealock.providers.git.address import parse
from sealock.providers.git.dial import GitDialer
from sealock.providers.git.ref import check_ref
from tests.support.checkout import make_repository
from tests.support.machines import assert_gone, assert_runtime_is_clean
from tests.support.run import Course
from tests.support.traces import left, traces

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


class Builds(Course):
    """Builds in real machines, each of a repository of its own."""

    def __init__(self, root: Path, runtime: Path, machines: QemuMachines, images: ImageStore) -> None:
        checkout = CheckoutPorts(GitDialer([]), SshAgents(runtime), parse, check_ref)
        super().__init__(root, runtime, checkout, FakeMachines(root / "unused"))
        self.ports = replace(self.ports, machines=machines, images=images, default_image="base")
        self._root = root

    async def build(self, *commands: str, silence: str = "2m") -> RunResult:
        lines = "".join(f"- {json.dumps(command)}\n" for command in commands)
        text = f"image: base\nnetwork: none\ntimeouts: {{silence: {silence}, total: 5m}}\ntest:\n{lines}"
        make_repository(self._root / "source", {"sealock.yml": text})
        return await self.run(DirectorySource(self._root / "source"))


@pytest.fixture
async def builds(
    tmp_path: Path, machine_runtime: Path, machines: QemuMachines, image_store: ImageStore
) -> AsyncIterator[Builds]:
    before = traces()
    made = Builds(tmp_path, machine_runtime, machines, image_store)
    yield made
    assert left(before) == set()
    assert_runtime_is_clean(machine_runtime)


def assert_ended(builds: Builds, result: RunResult, outcome: Outcome, ending: Ending) -> None:
    """Came out that way, with a machine that is over and a receipt that says so."""
    assert (result.record.outcome, result.error) == (outcome, None), result.record.reason
    machine = result.record.machine
    assert machine is not None
    assert machine.ending is ending
    assert_gone(machine)
    assert builds.is_authentic(result)
    assert builds.phases[-1] == ("end", True)


async def test_out_of_memory(builds: Builds) -> None:
    """The kernel of the guest ends the greedy process; the machine stays up, so the build is red."""
    result = await builds.build("perl -e 'my @a; push @a, \"x\" x (1 << 24) while 1'; echo exit $?", "false")
    assert_ended(builds, result, Outcome.RED, Ending.DESTROYED)
    assert "exit 137" in builds.output


async def test_the_ram_disk_is_full(builds: Builds) -> None:
    result = await builds.build(
        "head -c 2G /dev/zero >file || df -m .; rm file; echo room again >file; exit 3"
    )
    assert_ended(builds, result, Outcome.RED, Ending.DESTROYED)
    assert "No space left on device" in builds.output
    assert result.record.commands[0].exit_code == 3


async def test_memory_and_disk_together(builds: Builds) -> None:
    """Files take up to three quarters of the memory: what is then left for programs must not be fatal."""
    result = await builds.build(
        "head -c 2G /dev/zero >file; ls -l file; perl -e '$x = \"x\" x (1 << 29)'; echo exit $?", "true"
    )
    assert_ended(builds, result, Outcome.GREEN, Ending.DESTROYED)
    assert "exit 137" in builds.output


async def test_a_panic(builds: Builds) -> None:
    result = await builds.build("sudo sh -c 'echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger'")
    assert_ended(builds, result, Outcome.MACHINE_LOST, Ending.PANICKED)
    assert "panicked" in result.record.reason
    assert "Kernel panic - not syncing: sysrq triggered crash" in builds.notices[0]


async def test_init_is_killed(builds: Builds) -> None:
    result = await builds.build("sudo perl -e 'kill 9, 1; kill 11, 1; kill 6, 1'; sleep 2; echo still here")
    assert result.record.outcome in {Outcome.GREEN, Outcome.MACHINE_LOST}
    assert builds.is_authentic(result)


@pytest.mark.parametrize(
    "command",
    [
        "sudo sh -c 'echo 1 >/proc/sys/kernel/sysrq; echo o >/proc/sysrq-trigger'; sleep 60",
        "sudo sh -c 'echo 1 >/proc/sys/kernel/sysrq; echo b >/proc/sysrq-trigger'; sleep 60",
    ],
    ids=["power off", "reset"],
)
async def test_it_powers_itself_off(builds: Builds, command: str) -> None:
    result = await builds.build(command)
    assert_ended(builds, result, Outcome.MACHINE_LOST, Ending.POWERED_OFF)
    assert "powered itself off" in result.record.reason


@pytest.mark.parametrize("number", ["KILL", "STOP"])
async def test_the_connection_is_cut(builds: Builds, number: str) -> None:
    """The guest itself is well, so it is the connection that is lost; the build cannot go on."""
    result = await builds.build(f"sudo pkill -{number} -x sshd; sleep 60", silence="5s")
    assert result.record.outcome in {Outcome.MACHINE_LOST, Outcome.ERROR, Outcome.SILENT}
    machine = result.record.machine
    assert machine is not None
    assert_gone(machine)
    assert builds.is_authentic(result)


async def test_a_flood(builds: Builds) -> None:
    """300 MB of output pass through; nothing of it is kept by us or dropped on the way."""
    size = 300 * 1024 * 1024
    builds.events = Counting()
    result = await builds.build(f"head -c {size} /dev/zero | tr '\\0' 'x'; echo; echo the end")
    assert_ended(builds, result, Outcome.GREEN, Ending.DESTROYED)
    assert isinstance(builds.events, Counting)
    assert builds.events.size == size + len("\nthe end\n")
    assert (result.record.machine and result.record.machine.disk_bytes_written) == 0


class Counting(list):  # type: ignore[type-arg]
    """Events, of whose output only the size is kept."""

    size = 0

    def append(self, event: object) -> None:
        if isinstance(event, Output):
            self.size += len(event.data)
        else:
            super().append(event)


async def test_a_flood_of_the_console(builds: Builds) -> None:
    """Root in the guest writes to the console as much as it likes: a ring holds the end of it."""
    flood = "sudo sh -c 'head -c 1M /dev/zero | tr \"\\0\" x >/dev/ttyS0; echo >/dev/ttyS0'; echo written"
    result = await builds.build(flood)
    assert_ended(builds, result, Outcome.GREEN, Ending.DESTROYED)
    assert "written" in builds.output


async def test_output_that_is_no_text(builds: Builds) -> None:
    result = await builds.build("printf '\\377\\376\\0\\033[31m'; head -c 1000 /dev/urandom; exit 5")
    assert_ended(builds, result, Outcome.RED, Ending.DESTROYED)
    data = b"".join(each.data for each in builds.events if isinstance(each, Output))
    assert data.startswith(b"\xff\xfe\0\x1b[31m")
    assert len(data) == 8 + 1000
    assert builds.is_authentic(result)


async def test_a_fork_bomb(builds: Builds, spec: MachineSpec) -> None:
    """It fills the guest, at most; the build's time limit ends it with its machine."""
    result = await builds.build("bomb() { bomb | bomb & }; bomb; sleep 8; echo over", silence="5s")
    assert result.record.outcome in {Outcome.GREEN, Outcome.RED, Outcome.SILENT, Outcome.MACHINE_LOST}
    machine = result.record.machine
    assert machine is not None
    assert_gone(machine)
