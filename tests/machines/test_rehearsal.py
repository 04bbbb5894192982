"""The rehearsal of a fetch in a machine that waits: it goes well, and leaves nothing."""

from __future__ import annotations

import pytest

from sealock.core.machine import MachineSpec
from sealock.machines.qemu import QemuMachines
from sealock.machines.rehearsal import rehearse
from tests.support.machines import sh

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
# Every file that can be written, and every process but those that look.
LOOK = r"""
find / -xdev \( -path /proc -o -path /sys -o -path /dev \) -prune -o -type f -newermt '1 hour ago' -print
find /run /tmp /var/tmp /home /root /dev/shm /etc -printf '%p %s\n' | sort
ps -e -o comm= | grep -v -x -E 'ps|grep|sort|bash|kworker.*'
exit 0
"""


async def test_it_goes_well_and_leaves_nothing(
    machines: QemuMachines, spec: MachineSpec, caplog: pytest.LogCaptureFixture
) -> None:
    async with machines.machine(spec) as machine:
        before = await sh(machine, LOOK, root=True)
        assert "/etc/machine-id" in before, "the look sees what was written"
        await rehearse(machine)
        assert await sh(machine, LOOK, root=True) == before
    assert not caplog.records
