"""A keeper that root starts and that becomes a user of its own: it works, and its user gains nothing else."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError
from sealock.core.sealed import Owner
from sealock.keeper.attend import AttendedKeeper
from sealock.keeper.client import KeeperClient, LocalDoor
from sealock.keeper.identity import load_or_create
from sealock.keeper.signing import AsWorker
from sealock.ledger.signing import InstallationKey
from tests.support.checkout import memory
from tests.support.keeper import SSH_KEY, TOKEN, terms
from tests.support.keeper_process import environment, seal_for

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

USER, NOBODY = "nobody", 65534
COMMAND = [sys.executable, "-P", "-m", "sealock", "keeper", "--attended"]


@pytest.fixture
def directory() -> Iterator[Path]:
    with memory() as made:
        made.chmod(0o711)
        yield made


def attended(directory: Path, *more: str) -> AttendedKeeper:
    """As the wiring makes it for root, with keeper_user set."""
    settings = [f"{name}={value}" for name, value in environment(directory).items()]
    worker = AsWorker(lambda: load_or_create(directory / "data" / "run-key"), is_run=True)
    return AttendedKeeper(
        KeeperClient(LocalDoor(directory / "run" / "keeper.sock", frozenset({0, NOBODY})), worker),
        ["env", *settings, f"SEALOCK_KEEPER_USER={USER}", *more, *COMMAND],
        directory / "data" / "keeper.starting",
        directory / "data" / "keeper",
        owner_key=lambda: load_or_create(directory / "data" / "owner-key"),
        say=lambda _line: None,
    )


def owners(place: Path) -> set[int]:
    return {path.lstat().st_uid for path in (place, *place.rglob("*"))}


async def test_it_serves_whoever_started_it_as_another_user_each_time(directory: Path) -> None:
    found = []
    for _ in range(2):
        async with attended(directory) as keeper:
            found.append(await keeper.public_key(Owner("team")))
            assert keeper._process is not None
            # `env` has become the keeper.
            status = Path(f"/proc/{keeper._process.pid}/status").read_text()
            assert f"Uid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}" in status
            told = (await keeper.client.status()).achieved
            assert f"user: {USER}, the keeper's own; only root is not kept out" in told
    assert found[0] == found[1]
    assert owners(directory / "data" / "keeper") == {NOBODY}


async def test_what_was_sealed_before_opens_after_and_the_key_of_receipts_stays(directory: Path) -> None:
    key, token = (seal_for(directory, name, b"the value") for name in (SSH_KEY, TOKEN))
    receipts = InstallationKey.load_or_create(directory / "data" / "keys")
    async with attended(directory) as keeper, keeper.lease(terms(secrets=[TOKEN])) as lease:
        assert (await lease.open(key)).reveal() == b"the value"
        assert (await lease.open(token, step="test:unit")).reveal() == b"the value"
    assert owners(directory / "data" / "keys") == {0}
    assert InstallationKey(directory / "data" / "keys").key_id == receipts.key_id
    assert sorted(path.name for path in (directory / "data" / "keys").iterdir()) == [
        "installation.key",
        "installation.pub",
    ]
    assert {"key-encryption-key", "sets"} <= {p.name for p in (directory / "data/keeper/keys").iterdir()}


async def test_keys_in_two_places_are_not_chosen_between(directory: Path) -> None:
    async with attended(directory) as keeper:
        await keeper.public_key(Owner("team"))
    seal_for(directory, TOKEN, b"the value")
    with pytest.raises(PermanentError, match="the keeper did not start") as failed:
        async with attended(directory) as keeper:
            await keeper.there()
    assert "in two places" in failed.value.details


async def test_a_place_its_user_cannot_reach_is_named(directory: Path) -> None:
    directory.chmod(0o700)
    with pytest.raises(PermanentError, match="the keeper did not start") as failed:
        async with attended(directory) as keeper:
            await keeper.there()
    assert f"It may not pass through {directory}." in failed.value.details
    assert f"chmod o+x {directory}" in failed.value.details


async def test_links_its_user_planted_do_not_get_it_what_is_roots(directory: Path) -> None:
    async with attended(directory) as keeper:
        await keeper.there()
    roots = directory / "roots"
    roots.mkdir()
    (roots / "file").write_text("root's")
    place = directory / "data" / "keeper"
    os.link(roots / "file", place / "hard")
    (place / "soft").symlink_to(roots / "file")
    (place / "way").symlink_to(roots)
    (place / "edited").write_text("by root, for the keeper")
    async with attended(directory) as keeper:
        await keeper.there()
    assert owners(roots) == {0}
    assert (place / "edited").stat().st_uid == NOBODY


def test_its_user_can_read_no_other_key(directory: Path) -> None:
    data = directory / "data"
    data.mkdir(mode=0o700)
    InstallationKey.load_or_create(data / "keys")
    asyncio.run(_started(attended(directory)))
    for command in (
        ["cat", str(data / "owner-key")],
        ["cat", str(data / "keys" / "installation.key")],
        ["ls", str(data)],
        ["touch", str(data / "keys" / "new")],
    ):
        assert "Permission denied" in as_its_user(command)
    # It may pass through, so these are refused for what they are.
    assert as_its_user(["cat", str(data / "keeper" / "signing-key")]) == ""


async def _started(keeper: AttendedKeeper) -> None:
    async with keeper:
        await keeper.there()


def as_its_user(command: list[str]) -> str:
    """What went wrong."""
    done = subprocess.run(
        command, capture_output=True, check=False, user=NOBODY, group=NOBODY, extra_groups=()
    )
    return done.stderr.decode()
