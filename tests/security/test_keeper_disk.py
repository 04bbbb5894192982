"""A disk that is full or read-only under the keeper: refused, told, and good again once there is room."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from sealock.core.lease import KeeperAway
from sealock.core.release import Released
from sealock.ledger.releases import read_entries
from tests.support.keeper import BUILD, TOKEN, terms
from tests.support.keeper_process import RunningKeeper, running_keeper, seal_for

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

IN_A_SMALL_DISK = (
    "unshare",
    "--mount",
    "--map-root-user",
    "sh",
    "-c",
    'mount -t tmpfs -o size=64k,mode=0700 none "$0" && exec "$@"',
)
ON_A_READ_ONLY_DISK = (
    *IN_A_SMALL_DISK[:-1],
    'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"',
)


def limit_files(keeper: RunningKeeper, size: int) -> None:
    """No file of the keeper's may become longer: what a full disk does, without one."""
    resource.prlimit(keeper.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def released(keeper: RunningKeeper) -> int:
    return sum(isinstance(entry.fact, Released) for entry in read_entries(keeper.ledger))


@pytest.mark.parametrize("room", [0, 1, 100, 300])
async def test_without_room_nothing_is_released_and_with_room_it_goes_on(tmp_path: Path, room: int) -> None:
    with running_keeper(tmp_path) as keeper:
        token = seal_for(tmp_path, TOKEN, b"canary-of-a-full-disk")
        async with keeper.client().lease(terms()) as lease:
            await lease.open(token, step="test:unit")
            length = keeper.ledger.stat().st_size
            limit_files(keeper, length + room)
            for _ in range(3):
                with pytest.raises(KeeperAway):
                    await lease.open(token, step="test:unit")
            assert keeper.ledger.stat().st_size == length
            limit_files(keeper, resource.RLIM_INFINITY)
            assert (await lease.open(token, step="test:unit")).reveal() == b"canary-of-a-full-disk"
        assert released(keeper) == 2
    assert "nothing is released" in keeper.log
    assert "canary" not in keeper.log


async def test_on_a_real_disk_that_runs_full_each_release_has_its_line(tmp_path: Path) -> None:
    """The keeper's directory is a file system of 64 KiB of its own; its log and answers are outside."""
    (tmp_path / "data" / "keeper").mkdir(mode=0o700, parents=True)
    handed = 0
    with running_keeper(tmp_path, (*IN_A_SMALL_DISK, str(tmp_path / "data" / "keeper"))) as keeper:
        token = seal_for(tmp_path, TOKEN, b"value")
        with pytest.raises(KeeperAway):
            async with keeper.client().lease(terms()) as lease:
                for _ in range(1000):
                    await lease.open(token, step="test:unit")
                    handed += 1
        assert len(await keeper.client().exposures(BUILD)) == handed
    assert 20 < handed < 1000
    assert "No space left" in keeper.log


def test_on_a_read_only_disk_it_does_not_start(tmp_path: Path) -> None:
    with running_keeper(tmp_path):
        pass
    keeper = RunningKeeper(tmp_path, (*ON_A_READ_ONLY_DISK, str(tmp_path / "data" / "keeper")))
    with pytest.raises(RuntimeError, match="Read-only file system"):
        keeper.wait_until_it_serves()
    keeper.end(kill=True)
    assert keeper.process.returncode == 3


def test_two_keepers_do_not_hold_one_ledger(tmp_path: Path) -> None:
    with running_keeper(tmp_path):
        second = RunningKeeper(tmp_path, ("env", f"SEALOCK_KEEPER_SOCKET={tmp_path}/run/other.sock"))
        with pytest.raises(RuntimeError, match="another keeper holds it"):
            second.wait_until_it_serves()
        second.end(kill=True)


async def test_after_a_kill_the_next_one_goes_on_where_it_was(tmp_path: Path) -> None:
    keeper = RunningKeeper(tmp_path)
    keeper.wait_until_it_serves()
    token = seal_for(tmp_path, TOKEN, b"value")
    lease = keeper.client().lease(terms())
    held = await lease.__aenter__()
    await held.open(token, step="test:unit")
    keeper.end(kill=True)
    with pytest.raises(KeeperAway):
        await held.open(token, step="test:unit")
    with running_keeper(tmp_path):
        assert (await held.open(token, step="test:unit")).reveal() == b"value"
        await lease.__aexit__(None, None, None)
    assert released(keeper) == 2
