"""Puts together a worker: its machines, its Git, and the keeper, to which the website carries frames. Nothing
here can open a secret that was not released to the very build.

It stands apart from `wiring`, as `serving` does, so that a test can look at what a worker's process loads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sealock.core.errors import SealockError

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from sealock.core.image import Images
    from sealock.core.machine import Machines
    from sealock.core.worker_process import WorkerOptions, WorkerProcess
    from sealock.link.host import HostPorts
    from sealock.machines.options import MachineOptions
    from sealock.machines.qemu import QemuMachines
    from sealock.settings import Settings

log = logging.getLogger(__name__)

SIGNING_KEY = "signing-key"
"""In a worker's directory: what it signs what it asks of the keeper with (Ed25519)."""


class Working:
    """A worker over this host's settings."""

    def __init__(self, settings: Settings, images: Images, machines: MachineOptions) -> None:
        self._settings, self._images, self._machines = settings, images, machines

    def worker(self, options: WorkerOptions) -> WorkerProcess:
        """The process, for its command."""
        from sealock import __version__
        from sealock.link.process import LinkedWorker

        return LinkedWorker(options, partial(self._host, options.state / SIGNING_KEY), __version__)

    @asynccontextmanager
    async def _host(self, key_file: Path) -> AsyncIterator[HostPorts]:
        from sealock.keeper.identity import load_or_create
        from sealock.link.host import machines_ready
        from sealock.machines.qemu import QemuMachines

        key, size = load_or_create(key_file), self._settings.pool_size
        options = replace(self._machines, pool_size=machines_ready() if size is None else size)
        async with QemuMachines.from_options(options, self._images) as machines:
            filling = asyncio.create_task(self._fill(machines)) if options.pool_size else None
            try:
                yield self._ports(machines, key)
            finally:
                if filling is not None:
                    filling.cancel()
                    await asyncio.gather(filling, return_exceptions=True)

    async def _fill(self, machines: QemuMachines) -> None:
        """Have a machine ready for the first build. Without one the build waits for its own, and says what
        is in the way."""
        from sealock.builds.way import first_machine

        try:
            await machines.prepare(first_machine(self._images.find(self._settings.image)))
        except SealockError as error:
            log.warning("no machine is kept ready: %s", error)

    def _ports(self, machines: Machines, key: Ed25519PrivateKey) -> HostPorts:
        from sealock.builds.checkout import CheckoutPorts
        from sealock.keeper.carried_door import CarriedDoor
        from sealock.keeper.client import KeeperClient
        from sealock.keeper.halves import belongs_to
        from sealock.keeper.sealing import seal
        from sealock.keeper.signing import AsWorker, public_half
        from sealock.link.host import HostPorts
        from sealock.livelog.files import LogFiles
        from sealock.livelog.mask import StreamMasker
        from sealock.machines.agent import SshAgents
        from sealock.machines.reaper import HostReaper
        from sealock.pipeline.reader import read_plan
        from sealock.providers.git.address import parse
        from sealock.providers.git.dial import GitDialer
        from sealock.providers.git.local import LocalRepositories
        from sealock.providers.git.ref import check_ref

        settings = self._settings
        return HostPorts(
            machines=machines,
            images=self._images,
            repositories=LocalRepositories(settings.runtime_dir),
            checkout=CheckoutPorts(
                dialer=GitDialer(settings.git_allow),
                agents=SshAgents(settings.runtime_dir),
                parse_address=parse,
                check_ref=check_ref,
            ),
            keeper=lambda carry: KeeperClient(CarriedDoor(carry), AsWorker(lambda: key)),
            signing_key=public_half(key),
            seal=seal,
            belongs_to=belongs_to,
            new_masker=StreamMasker,
            logs=LogFiles,
            read_plan=lambda image: partial(read_plan, default_image=image),
            default_image=settings.image,
            reaper=HostReaper(settings.runtime_dir),
            runtime_dir=settings.runtime_dir,
        )
