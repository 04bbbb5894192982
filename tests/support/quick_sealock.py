"""`sealock` as it is, but that its machines are stand-ins and its leases short: `python -m
tests.support.quick_sealock web|keeper|worker …`.

So a server can be killed hundreds of times in minutes. A stand-in is a fake machine with a process beside it
that has a real one's marks: killing that loses the machine, and a reaper finds it where its worker was
killed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from sealock.cli.main import run_command_line
from sealock.core.image import Images
from sealock.core.machine import Ending, Machine, MachineSpec
from sealock.core.queue import Patience
from sealock.core.scratch import scratch
from sealock.core.server import Server
from sealock.core.worker_process import WorkerOptions, WorkerProcess
from sealock.keeper.identity import load_or_create
from sealock.link.host import HostPorts
from sealock.machines import marks
from sealock.machines.child import Child, spawn
from sealock.machines.fake import FakeMachine, FakeMachines
from sealock.serving import Serving
from sealock.wiring import Wiring
from sealock.working import Working
from tests.support.run import FakeImages

PATIENCE = Patience(lease=15.0, stopping=20.0)


class StandIns(FakeMachines):
    """Implements `core.machine.Machines`. root: of their homes. runtime: where the marks are."""

    def __init__(self, root: Path, runtime: Path) -> None:
        super().__init__(root)
        self._marks = runtime / "machines"

    @asynccontextmanager
    async def machine(self, spec: MachineSpec) -> AsyncIterator[Machine]:
        """A fake one that lives as long as a process of its own."""
        async with super().machine(spec) as machine:
            assert isinstance(machine, FakeMachine)
            mark = marks.Mark(self._marks, machine.record.id, marks.this_process())
            mark.make()
            child = spawn(
                ["sleep", "infinity"], pass_fds=(), mark=marks.environment(mark.machine, mark.owner)
            )
            losing = asyncio.create_task(_lose_with(child, machine))
            try:
                yield machine
            finally:
                losing.cancel()
                await asyncio.gather(losing, return_exceptions=True)
                child.kill()
                await child.reaped()
                mark.remove()


async def _lose_with(child: Child, machine: FakeMachine) -> None:
    await child.ended()
    machine.cut(Ending.LOST)


class QuickWorking(Working):
    """A worker with stand-ins."""

    @asynccontextmanager
    async def _host(self, key_file: Path) -> AsyncIterator[HostPorts]:
        runtime = self._settings.runtime_dir
        with scratch(runtime, "standins") as root:
            yield self._ports(StandIns(root, runtime), load_or_create(key_file))


class QuickWiring(Wiring):
    """Everything else is as it is."""

    def images(self) -> Images:
        return FakeImages()

    def server(self) -> Server:
        made = super().server()
        assert isinstance(made, Serving)
        return Serving(replace(made.installation, patience=PATIENCE))

    def worker(self, options: WorkerOptions) -> WorkerProcess:
        return QuickWorking(self._settings, self.images(), self._machine_options()).worker(options)


if __name__ == "__main__":
    sys.exit(run_command_line(QuickWiring()))
