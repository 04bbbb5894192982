"""A machine's processes must not write to a disk by reading from one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sealock.machines.child import Usage, spawn

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

LONG_AGO = 1_000_000_000
OUR_NAMESPACE = Path("/proc/self/ns/mnt")


def command(*argv: str) -> None:
    subprocess.run(argv, check=True)


async def run(*argv: str) -> tuple[bytes, Usage]:
    child = spawn(argv, pass_fds=(), mark={})
    said = child.stdout.read()
    return said, await child.reaped()


async def test_what_a_program_reads_keeps_its_access_time(tmp_path: Path) -> None:
    """A file that was not read since it was written: the kernel would note that it is read now."""
    file = tmp_path / "file"
    file.write_bytes(b"x" * 10_000)
    os.utime(file, (LONG_AGO, LONG_AGO))

    said, usage = await run("cat", str(file))

    assert said == b"x" * 10_000
    assert file.stat().st_atime == LONG_AGO
    assert usage.disk_bytes in {0, None}


async def test_this_process_stays_where_it_was() -> None:
    before = str(OUR_NAMESPACE.readlink())
    said, _ = await run("readlink", str(OUR_NAMESPACE))
    assert said.decode().strip() != before
    assert {str((t / "ns/mnt").readlink()) for t in Path("/proc/self/task").iterdir()} == {before}


async def test_what_is_mounted_later_is_there_for_the_next_program(tmp_path: Path) -> None:
    for number in range(2):
        place = tmp_path / str(number)
        place.mkdir()
        command("mount", "-t", "tmpfs", "none", str(place))
        try:
            (place / "there").touch()
            assert (await run("ls", str(place)))[0] == b"there\n"
        finally:
            command("umount", "-l", str(place))
