"""A disk that runs full under the server's database: told, read on from, and good once there is room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

IN_A_SMALL_DISK = (
    *("unshare", "--mount", "--map-root-user", "sh", "-c"),
    'mount -t tmpfs -o size=3m,mode=0700 none "$0" && exec "$@"',
)

SERVER = """
import asyncio, sys
from pathlib import Path
from sealock import serving
from sealock.core.errors import TemporaryError
from sealock.store.database.engine import open_database
from sealock.store.database.migrations import upgrade
from sealock.store.queue.database import DatabaseQueue
from sealock.store.queue.wakeups import LocalWakeups

async def main(directory):
    async with open_database(f"sqlite:///{directory}/data/server.db") as database:
        await upgrade(database)
        queue = DatabaseQueue(database, LocalWakeups())
        await queue.put_back()
        filler = directory / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        serving.SAFETY_POLL = 0.05
        watching = asyncio.create_task(serving._put_back(queue))
        refused = 0
        for _ in range(200):
            try:
                await queue.cancel("none", "a build that is not there")
                await queue.put_back()
            except TemporaryError as error:
                assert "has no room" in error.brief, error
                refused += 1
            assert await queue.why("none") is None, "reading goes on"
            await asyncio.sleep(0.02)
        assert refused, "the disk was not full"
        assert not watching.done(), "the server ended for it"
        filler.unlink()
        await asyncio.sleep(1.2)
        await queue.put_back()
        assert not watching.done()
        watching.cancel()
        print("refused", refused)

asyncio.run(main(Path(sys.argv[1])))
"""


def test_the_server_outlives_a_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o700)
    command = [*IN_A_SMALL_DISK, str(disk), sys.executable, "-P", "-c", SERVER, str(disk)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("refused ")
    assert "the queue was not looked at: the database" in ended.stderr
