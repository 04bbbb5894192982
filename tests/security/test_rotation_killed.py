"""Rotation killed with SIGKILL at random points: nothing lost, nothing doubled, and it goes on (P2)."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sealock.core.sealed import Owner, SealedName
from tests.support.keys import Installation, files

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
POINTS = 50
"""More where too few were in time: how long a rotation takes is not the same all the while."""
OWNERS = [Owner("team", f"project-{number}") for number in range(6)]


def rotate_and_kill(ours: Installation, level: str, after: float | None) -> float:
    """Start a rotation and kill it `after` seconds, or let it end; returns how long it ran."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.keys", ours.directory, level],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process:
        process.stdout.readline()
        begun = time.monotonic()
        if after is None:
            assert process.wait() == 0
        else:
            time.sleep(after)
            process.kill()
    return time.monotonic() - begun


def state(ours: Installation) -> tuple[list[list[int]], set[str]]:
    """The versions of each key set, and the keys they are wrapped by."""
    records = [record for owner in OWNERS if (record := ours.files.load(owner))]
    versions = [[version.version for version in record.versions] for record in records]
    return versions, {version.wrapped_by for record in records for version in record.versions}


def count_of(ours: Installation) -> int:
    """How many ciphertexts lie in the store."""
    return sum(path.suffix == ".json" for path, _ in files(ours.directory / "sealed"))


def test_fifty_kills(tmp_path: Path) -> None:
    ours = Installation(tmp_path / "data")
    values: dict[SealedName, bytes] = {}
    for owner in OWNERS:
        for number in range(4):
            value = f"canary {owner} {number}".encode()
            values[ours.put(owner, f"SECRET{number}", value)] = value
    usual = {level: rotate_and_kill(ours, level, None) for level in ("root", "sets")}
    rotations, cut_short, timing = len(usual), 0, random.Random(1)
    for point in range(5 * POINTS):
        if point >= POINTS and cut_short > POINTS / 2:
            break
        level = "root" if point % 3 == 0 else "sets"
        before, generation = state(ours)[0], ours.journal.generation()
        rotate_and_kill(ours, level, timing.uniform(0, usual[level]))
        assert ours.everything() == values, f"after kill {point}"
        under_way = ours.journal.read().level
        if under_way is not None:
            cut_short += 1
            done = ours.rotate("root")
            assert done.resumed
            assert done.level == under_way == level
        if ours.journal.generation() > generation:
            rotations += 1
            after, keys = state(ours)
            step = 1 if level == "sets" else 0
            assert after == [[versions[0] + step] for versions in before], f"after point {point}"
            assert keys == {ours.backend.current()}
        assert ours.everything() == values, f"after point {point}"
        assert count_of(ours) == len(values)
    assert ours.journal.generation() == rotations
    assert cut_short > POINTS / 2
    for path, content in files(ours.directory):
        assert b"canary" not in content, path
