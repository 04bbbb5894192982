"""The Machines port over QEMU: a clone of the sealed template, or a cold boot where there is none."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from sealock.core.errors import TemporaryError
from sealock.core.image import Image, Images
from sealock.core.machine import (
    STATE_DEADLINES,
    Machine,
    MachineSpec,
    MachineState,
    Origin,
)
from sealock.machines import acceleration, containment, preflight
from sealock.machines import template as templates
from sealock.machines.guest import Guest
from sealock.machines.hardware import Start
from sealock.machines.host import Host
from sealock.machines.image.store import in_use
from sealock.machines.options import MachineOptions
from sealock.machines.patience import to_the_end
from sealock.machines.pool import Pool
from sealock.machines.sealing import Templates
from sealock.machines.template import Template

log = logging.getLogger(__name__)
BOOT_DEADLINE = STATE_DEADLINES[MachineState.STARTING] or 0.0
# A clone is there in about a second; one that takes this long is not coming.
CLONE_DEADLINE = BOOT_DEADLINE / 3


class QemuMachines:
    """Implements `core.machine.Machines`. Use `from_options`; leaving the block ends every machine."""

    def __init__(self, host: Host, images: Images, templates: Templates) -> None:
        self.host = host
        self._images = images
        self._templates = templates
        self._pool = Pool(host.options.pool_size, self._ready)

    @classmethod
    @asynccontextmanager
    async def from_options(
        cls, options: MachineOptions, images: Images, make_templates: type[Templates] = Templates
    ) -> AsyncIterator[Self]:
        """Check this host, then start machines on it. PermanentError names what the host lacks."""
        preflight.check(options)
        kind = await acceleration.decide(options, images)
        user = containment.machine_user(options.user, kvm=kind == "kvm")
        host = Host(options, user, kind, await acceleration.qemu_version(options.qemu))
        machines = cls(host, images, make_templates(host))
        try:
            yield machines
        finally:
            try:
                await machines._pool.close()
            finally:
                await machines._templates.close()

    @asynccontextmanager
    async def machine(self, spec: MachineSpec) -> AsyncIterator[Machine]:
        """A new machine, from the pool if one of that spec is ready there. See the port."""
        preflight.check_memory(spec.memory_mib)
        image = self._images.find(spec.image)
        with in_use(image):
            guest = await self._pool.take(image, spec)
            try:
                guest.record.enter(MachineState.BUSY)
                overdue = asyncio.get_running_loop().call_later(
                    STATE_DEADLINES[MachineState.BUSY] or 0, _kill, guest
                )
                try:
                    yield guest.machine()
                finally:
                    overdue.cancel()
            finally:
                await to_the_end(guest.end())

    async def prepare(self, spec: MachineSpec) -> None:
        """Make the template, and fill the pool, before the first machine is asked for."""
        image = self._images.find(spec.image)
        await self._templates.get(image, spec)
        await self._pool.fill(image, spec)

    async def _ready(self, image: Image, spec: MachineSpec) -> Guest:
        """A guest we are logged in to. TemporaryError if none comes up in time."""
        template = await self._templates.get(image, spec)
        if template is not None:
            try:
                return await self._started(image, spec, template, CLONE_DEADLINE)
            except TemporaryError as error:
                # A template that clones cannot go on from must not spoil the next ones too.
                log.warning("A clone did not come up, so its template is given up: %s", error)
                self._templates.give_up(image, spec)
        return await self._started(image, spec, None, BOOT_DEADLINE)

    async def _started(
        self, image: Image, spec: MachineSpec, template: Template | None, deadline: float
    ) -> Guest:
        guest = Guest(self.host, image, spec, Origin.CLONE if template else Origin.COLD_BOOT)
        try:
            async with asyncio.timeout(deadline):
                if template is None:
                    await _boot(guest, spec)
                else:
                    await guest.begin(template.memory, Start.CLONE)
                    await guest.resume(template)
                await guest.login()
        except TimeoutError as error:
            last = guest.console_tail()
            await to_the_end(guest.end())
            raise TemporaryError(
                f"the machine did not come up within {deadline:.0f} seconds",
                details=last,
                resolution="Try again when this host has less to do; `sealock machines` shows what runs.",
            ) from error
        except BaseException:
            await to_the_end(guest.end())
            raise
        return guest


async def _boot(guest: Guest, spec: MachineSpec) -> None:
    memory = templates.new_memory(spec.memory_mib << 20)
    try:
        await guest.begin(memory, Start.BOOT)
    finally:
        os.close(memory)
    await guest.boot()


def _kill(guest: Guest) -> None:
    log.error("machine %s was busy for longer than any build may be, and is ended", guest.record.id)
    if guest.child is not None:
        guest.child.kill()
