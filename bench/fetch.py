"""What a pushed commit costs in its machine before the first line, in seconds of the host's processor: that
hardly depends on how busy the host is, as seconds by the clock do."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.rows import Row, row
from sealock.builds.commit_files import commit_files
from sealock.builds.shell import open_shell
from sealock.core.machine import Machine, MachineSpec
from sealock.machines.image.store import ImageStore
from sealock.machines.options import MachineOptions
from sealock.machines.qemu import QemuMachines
from sealock.settings import load
from tests.support.checkout import Bench, bench, commit, make_repository
from tests.support.machines import guest_of

RUNS = 5
COMMITS = 10
FILES = {f"module_{number}.py": f"NUMBER = {number}\n" * 50 for number in range(20)}
SETTLED_SECONDS, SETTLED = 0.25, 0.02
"""A machine that took less of the processor than this in that time has nothing left to do."""


@dataclass
class Spent:
    """Seconds of each run."""

    fetch: list[float] = field(default_factory=list)
    plan: list[float] = field(default_factory=list)
    shell: list[float] = field(default_factory=list)


def measure(_: list[Row]) -> list[Row]:
    """Of machines of the image `base`, from the pool, and a small repository on a Git server on loopback."""
    settings, _sources = load()
    images = ImageStore(settings.images_dir)
    image = images.build("base", lambda _line: None)
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="sealock-bench-") as name:
        place = Path(name)
        options = MachineOptions(runtime_dir=place / "run", user=settings.machine_user, pool_size=1)
        with bench(place) as work:
            wanted = _publish(work, place / "source")
            spent = asyncio.run(_measure(options, images, MachineSpec(image.digest), work, wanted))
    total = [sum(parts) for parts in zip(spent.fetch, spent.plan, spent.shell, strict=True)]
    return [
        row("pushed_to_line_processor", "s", total),
        row("fetch_processor", "s", spent.fetch),
        row("plan_processor", "s", spent.plan),
        row("shell_processor", "s", spent.shell),
    ]


def _publish(work: Bench, source: Path) -> str:
    """A repository of some commits; returns the last one."""
    wanted = make_repository(source, {"sealock.yml": "image: base\n", **FILES})
    for number in range(COMMITS):
        wanted = commit(source, {f"module_{number}.py": f"OTHER = {number}\n" * 50})
    work.publish("sample.git", source)
    return wanted


async def _measure(
    options: MachineOptions, images: ImageStore, spec: MachineSpec, work: Bench, wanted: str
) -> Spent:
    spent = Spent()
    async with QemuMachines.from_options(options, images) as machines:
        for _ in range(RUNS):
            await machines.prepare(spec)
            async with machines.machine(spec) as machine:
                await _once(machine, work, wanted, spent)
    return spent


async def _once(machine: Machine, work: Bench, wanted: str, spent: Spent) -> None:
    child = guest_of(machine).child
    assert child is not None
    taken = _processor(child.pid)
    start = await _settled(taken)
    done = await work.fetch(machine, work.project(), wanted)
    fetched = taken()
    async with commit_files(machine, done) as files:
        await files.read("sealock.yml", 1 << 20)
        await files.describe()
    read = taken()
    async with open_shell(machine, cwd=done.directory) as shell:
        await shell.run("echo the first line", _nowhere)
        spent.shell.append(taken() - read)
    spent.fetch.append(fetched - start)
    spent.plan.append(read - fetched)


async def _nowhere(_: bytes) -> None:
    """The line is not looked at."""


def _processor(process: int) -> Callable[[], float]:
    """Tells the seconds of the processor that its threads took until now."""
    tasks = Path(f"/proc/{process}/task")
    return lambda: sum(int((each / "schedstat").read_text().split()[0]) for each in tasks.iterdir()) / 1e9


async def _settled(taken: Callable[[], float]) -> float:
    """What was taken once the machine has done what it still had to."""
    before, now = float("-inf"), taken()
    while now - before > SETTLED:
        await asyncio.sleep(SETTLED_SECONDS)
        before, now = now, taken()
    return now
