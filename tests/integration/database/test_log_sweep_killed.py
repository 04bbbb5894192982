"""A sweep that is killed wherever it changes a file is gone on with; nothing stays half gone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sealock.core.builds import run_id
from sealock.store.database.engine import open_database
from sealock.store.database.migrations import upgrade
from tests.support.sweeps import KEY, SHOP, Sweeping

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[3]
PLACES = (1, 2, 3, 5, 6, 7, 8, 9, 11, 13)
"""How many changes of files each round is left; the rounds go on with each other."""


def one_round(url: str, data: Path, changes: int) -> int:
    program = [sys.executable, "-m", "tests.support.sweeps", url, str(data), str(changes)]
    return subprocess.run(program, cwd=ROOT, check=False, timeout=60).returncode


async def test_a_sweep_that_is_killed_anywhere_is_gone_on_with(tmp_path: Path) -> None:
    url, data = f"sqlite:///{tmp_path}/server.db", tmp_path / "data"
    async with open_database(url) as database:
        await upgrade(database)
        sweeping = Sweeping(database, data)
        await sweeping.project(SHOP)
        await sweeping.ended.look()
        old = [await sweeping.build(40 + number, attempts=2) for number in range(6)]
        young = await sweeping.build(20)
    ends = [one_round(url, data, changes) for changes in PLACES]
    assert ends.count(-9) >= 6
    async with open_database(url) as database:
        sweeping = Sweeping(database, data)
        for run in (run_id(build, attempt) for build in old for attempt in (1, 2)):
            gone = sweeping.files.removal(run)
            assert gone is not None or sweeping.files.has_begun(run)  # never gone without a word
        sweeping.offset = 24 * 3600.0
        await sweeping.sweep.round()
        assert await sweeping.marked() == set(old)
        for run in (run_id(build, attempt) for build in old for attempt in (1, 2)):
            assert not sweeping.is_there(run)
            assert not any(KEY + run.encode() in path.read_bytes() for path in data.rglob("*.json"))
        assert sweeping.is_there(young)
