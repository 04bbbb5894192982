"""kill -9 of the keeper, or of the command that has it rotate, at random points of a rotation (P2).

Both are processes of their own, with the socket between them; each keeper that was killed leaves the next one
its files and nothing else.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sealock.core.release import KeysBackedUp, RotationBegun, RotationEnded
from sealock.core.sealed import Owner, SealedName
from sealock.ledger.releases import read_entries
from tests.support.keeper_process import RunningKeeper, environment
from tests.support.keys import Installation

pytestmark = pytest.mark.slow
SEALOCK = [sys.executable, "-m", "sealock"]
OWNERS = [Owner("local", f"{number:032x}") for number in range(6)]
POINTS = 8
"""Each takes the start of a keeper and of a command or two. There are more where a rotation is so quick that
none of these was in time."""


def filled(directory: Path) -> tuple[Installation, dict[SealedName, bytes]]:
    ours = Installation(directory / "data")
    values = {}
    for owner in OWNERS:
        for number in range(3):
            value = f"canary {owner} {number}".encode()
            values[ours.put(owner, f"SECRET{number}", value)] = value
    return ours, values


@contextmanager
def rotating(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """`sealock keys rotate`, which is ended when the block is left."""
    with subprocess.Popen(
        [*SEALOCK, "keys", "rotate"],
        env=environment(directory),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def begun(ours: Installation, generation: int) -> None:
    """Wait until another rotation is under way: before that there is nothing to interrupt."""
    deadline = time.monotonic() + 120
    while ours.journal.generation() == generation and time.monotonic() < deadline:
        time.sleep(0.002)


@pytest.mark.parametrize("victim", ["the keeper", "the command"])
def test_killed_at_random_points(tmp_path: Path, victim: str) -> None:
    ours, values = filled(tmp_path)
    seed = random.randrange(2**32)
    chance, cut_short = random.Random(seed), 0
    for point in range(5 * POINTS):
        if point >= POINTS and cut_short:
            break
        generation = ours.journal.generation()
        keeper = RunningKeeper(tmp_path)
        try:
            keeper.wait_until_it_serves()
            with rotating(tmp_path) as command:
                begun(ours, generation)
                time.sleep(chance.uniform(0.0, 0.15))
                (keeper.process if victim == "the keeper" else command).kill()
        finally:
            keeper.end(kill=True)
        assert ours.everything() == values, f"seed {seed}, point {point}"
        cut_short += ours.journal.read().level is not None
        with rotating(tmp_path) as command:  # and a keeper that it starts itself
            _, err = command.communicate(timeout=120)
            assert command.returncode == 0, err
        assert ours.everything() == values, f"seed {seed}, point {point}"
        assert ours.journal.read().level is None
        for owner in OWNERS:
            record = ours.files.load(owner)
            assert record is not None
            assert len(record.versions) == 1, f"seed {seed}, point {point}"
    assert cut_short > 0, f"seed {seed}: nothing was ever cut short"
    facts = [entry.fact for entry in read_entries(keeper.ledger)]
    assert {fact.generation for fact in facts if isinstance(fact, RotationBegun)} == {
        fact.generation for fact in facts if isinstance(fact, RotationEnded)
    }
    assert all(b"canary" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_backup_is_written_down_before_it_leaves(tmp_path: Path) -> None:
    """The keeper is killed as soon as the file is there; the line is, too. The passphrase is nowhere."""
    filled(tmp_path)
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a passphrase that stays with the command")
    passphrase.chmod(0o400)
    keeper = RunningKeeper(tmp_path)
    try:
        keeper.wait_until_it_serves()
        made = tmp_path / "backup"
        subprocess.run(
            [*SEALOCK, "keys", "export", str(made), "--passphrase-file", str(passphrase)],
            env=environment(tmp_path),
            check=True,
            timeout=120,
        )
    finally:
        keeper.end(kill=True)
    facts = [entry.fact for entry in read_entries(keeper.ledger)]
    assert facts == [KeysBackedUp(0, len(OWNERS), "local")]
    told = [path for path in tmp_path.rglob("*") if path.is_file() and path != passphrase]
    assert made in told
    assert all(b"stays with the command" not in path.read_bytes() for path in told)
