"""How fast a machine is there, how fast it is gone, and what it costs, against a cold boot of the same
image by the same emulator."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.rows import Row, row
from sealock.core.image import Image
from sealock.core.machine import Machine, MachineSpec
from sealock.machines.image.store import ImageStore
from sealock.machines.options import MachineOptions
from sealock.machines.qemu import QemuMachines
from sealock.machines.sealing import Templates
from sealock.machines.template import Template
from sealock.settings import load

RUNS = 7
QUIET_SECONDS = 1.5
LOG_BYTES = 64 << 20


@dataclass
class Figures:
    """Seconds, bytes and MiB of each run."""

    output: list[float] = field(default_factory=list)
    gone: list[float] = field(default_factory=list)
    disk: list[float] = field(default_factory=list)
    private: list[float] = field(default_factory=list)


def measure(_: list[Row]) -> list[Row]:
    """The figures of the default image's little brother, `base`."""
    settings, _sources = load()
    images = ImageStore(settings.images_dir)
    image = images.build("base", lambda _line: None)
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="sealock-bench-") as runtime:
        options = MachineOptions(runtime_dir=Path(runtime), user=settings.machine_user)
        return asyncio.run(_measure(options, images, image))


async def _measure(options: MachineOptions, images: ImageStore, image: Image) -> list[Row]:
    spec = MachineSpec(image.digest)
    cold, clone, pool = Figures(), Figures(), Figures()
    log: list[float] = []
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        on_demand = await enter(QemuMachines.from_options(options, images))
        pooled = await enter(QemuMachines.from_options(replace(options, pool_size=1), images))
        booted = await enter(QemuMachines.from_options(options, images, _NoTemplates))
        await on_demand.prepare(spec)
        for _ in range(RUNS):
            # In turn, so that a host that slows down slows all of them.
            await _once(booted, spec, cold)
            await _once(on_demand, spec, clone)
            await pooled.prepare(spec)
            await _once(pooled, spec, pool)
        async with on_demand.machine(spec) as machine:
            for _ in range(RUNS):
                log.append(await _log_throughput(machine))
    return _rows(cold, clone, pool, log)


def _rows(cold: Figures, clone: Figures, pool: Figures, log: list[float]) -> list[Row]:
    boot = row("cold_boot_to_output", "s", cold.output)
    return [
        boot,
        row("clone_to_output", "s", clone.output, baseline=boot.value, against="cold boot"),
        row("pool_to_output", "s", pool.output, baseline=boot.value, against="cold boot"),
        row("end_to_gone", "s", clone.gone),
        row("clone_private_memory", "MiB", clone.private),
        row("log_throughput", "MB/s", log),
        row("disk_bytes_written", "bytes", cold.disk + clone.disk + pool.disk),
    ]


async def _once(machines: QemuMachines, spec: MachineSpec, figures: Figures) -> None:
    """Claim a machine, have it say something, end it."""
    await asyncio.sleep(QUIET_SECONDS)
    start = time.monotonic()
    async with machines.machine(spec) as machine:
        async with machine.process(["echo", "hello"]) as process:
            await anext(aiter(process.output()))
            figures.output.append(time.monotonic() - start)
            await process.wait()
        await asyncio.sleep(QUIET_SECONDS)
        figures.private.append(_private_mib(machine.record.id))
        ending = time.monotonic()
    figures.gone.append(time.monotonic() - ending)
    figures.disk.append(machine.record.disk_bytes_written or 0)


async def _log_throughput(machine: Machine) -> float:
    """Megabytes a second of a command's output that reach us."""
    start, seen = time.monotonic(), 0
    async with machine.process(["head", "-c", str(LOG_BYTES), "/dev/zero"]) as process:
        async for piece in process.output():
            seen += len(piece)
    return seen / 1e6 / (time.monotonic() - start)


def _private_mib(machine: str) -> float:
    """Memory of the machine's QEMU that it shares with nobody."""
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            command = (directory / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"sealock-{machine}".encode() in command:
            rows = (directory / "smaps_rollup").read_text().splitlines()[1:]
            sizes = {name: int(value.split()[0]) for name, value in (line.split(":") for line in rows)}
            return (sizes["Private_Dirty"] + sizes["Private_Clean"]) / 1024
    raise LookupError(machine)


class _NoTemplates(Templates):
    """Makes every machine boot from nothing."""

    async def get(self, image: Image, spec: MachineSpec) -> Template | None:
        return None
