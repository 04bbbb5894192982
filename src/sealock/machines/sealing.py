"""Makes sealed templates: boots a guest up to where it waits, saves it, seals its memory."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

from sealock.core.errors import InfrastructureError
from sealock.core.image import Image
from sealock.core.machine import STATE_DEADLINES, MachineSpec, MachineState, NetworkPolicy, Origin
from sealock.machines import template as templates
from sealock.machines.guest import Guest, hardware_for
from sealock.machines.hardware import Start
from sealock.machines.host import Host
from sealock.machines.patience import to_the_end
from sealock.machines.template import Template

log = logging.getLogger(__name__)
LOCK_POLL = 0.05
# An image built anew, or a machine of another size, has a template of its own.
MOST_KEPT = 4


class Templates:
    """The templates of this process, by hardware. Each is made once, whoever asks first."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._made: dict[str, asyncio.Task[Template | None]] = {}

    async def get(self, image: Image, spec: MachineSpec) -> Template | None:
        """The template for that image and spec; None if this host cannot make one (said once)."""
        key = hardware_for(self._host, image, spec).key
        if key not in self._made:
            self._made[key] = asyncio.create_task(self._get(image, spec, key))
        return await asyncio.shield(self._made[key])

    def give_up(self, image: Image, spec: MachineSpec) -> None:
        """Forget a template that turned out to be of no use; machines of its kind boot from now on."""
        key = hardware_for(self._host, image, spec).key
        templates.remove(self._host.templates_directory / key)
        self._made[key] = asyncio.create_task(_none())

    async def close(self) -> None:
        """Let go of all of them."""
        for task in self._made.values():
            task.cancel()
        for result in await asyncio.gather(*self._made.values(), return_exceptions=True):
            if isinstance(result, Template):
                result.close()

    async def _get(self, image: Image, spec: MachineSpec, key: str) -> Template | None:
        directory = self._host.templates_directory / key
        try:
            if not self._host.options.keep_template:
                return await make(self._host, image, spec)
            return await self._kept(image, spec, directory)
        except (InfrastructureError, TimeoutError) as error:
            log.warning("No template could be made, so machines boot from cold: %s", error)
            return None

    async def _kept(self, image: Image, spec: MachineSpec, directory: Path) -> Template:
        lock = templates.Lock(directory)
        while not lock.take():  # noqa: ASYNC110
            # Another process makes this very template. Polled, since a thread that waits for a lock
            # could not be cancelled.
            await asyncio.sleep(LOCK_POLL)
        try:
            found = await asyncio.to_thread(_loaded, directory)
            if found is None:
                found = await make(self._host, image, spec)
                await asyncio.to_thread(_saved, found, directory)
            return found
        finally:
            lock.release()
            templates.drop_oldest(directory.parent, MOST_KEPT)


async def _none() -> None:
    return None


async def make(host: Host, image: Image, spec: MachineSpec) -> Template:
    """Boot, wait, save, seal. TemporaryError if the guest does not come up, TimeoutError if it is late."""
    offline = replace(spec, network=NetworkPolicy.NONE)
    size = spec.memory_mib << 20
    made = Template(templates.new_memory(size), templates.new_memory(0, "sealock-state"), size)
    guest = Guest(host, image, offline, Origin.COLD_BOOT)
    try:
        async with asyncio.timeout(STATE_DEADLINES[MachineState.STARTING]):
            await guest.begin(made.memory, Start.TEMPLATE)
            await guest.boot()
            await guest.save(made.state)
    except BaseException:
        made.close()
        raise
    finally:
        await to_the_end(guest.end())
    # Possible now that nobody has it mapped for writing any more.
    templates.seal(made.memory)
    templates.seal(made.state)
    return made


def _loaded(directory: Path) -> Template | None:
    try:
        return templates.load(directory)
    except ValueError as error:
        log.warning("The kept template is damaged and is made anew: %s", error)
        templates.remove(directory)
        return None


def _saved(template: Template, directory: Path) -> None:
    try:
        templates.save(template, directory)
    except OSError as error:
        log.warning("The template could not be kept for the next run: %s", error)
