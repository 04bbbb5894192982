"""A run has a keeper, and never leaves one behind: whoever is killed, and whoever starts at the same time."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError
from sealock.core.lease import KeeperAway, Refused
from sealock.core.release import Released
from sealock.core.sealed import Kind, Owner
from sealock.keeper.attend import AttendedKeeper
from sealock.keeper.client import KeeperClient, LocalDoor
from sealock.keeper.identity import load_or_create
from sealock.keeper.log_keys import SealedBuildLogs
from sealock.keeper.signing import AsWorker
from sealock.keeper.within_reach import AskedPublicKeys
from sealock.livelog.files import LogFiles
from sealock.store.sealed import SealedFiles
from tests.support.checkout import memory
from tests.support.keeper import CONFIG, TOKEN, name_of, terms
from tests.support.keeper_process import environment, running_keeper, seal_for

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

COMMAND = [sys.executable, "-P", "-m", "sealock", "keeper", "--attended"]
ATTENDS = """
import asyncio, os, sys
from pathlib import Path
from tests.security.test_attended_keeper import attended
from sealock.core.sealed import Owner

async def main():
    async with attended(Path(sys.argv[1])) as keeper:
        await keeper.public_key(Owner("team"))
        print("there", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def attended(directory: Path, said: list[str] | None = None) -> AttendedKeeper:
    """As the wiring makes it, over directories of the test's own."""
    worker = AsWorker(lambda: load_or_create(directory / "data" / "run-key"), is_run=True)
    client = KeeperClient(LocalDoor(directory / "run" / "keeper.sock", frozenset({os.geteuid()})), worker)
    return AttendedKeeper(
        client,
        ["env", *(f"{name}={value}" for name, value in environment(directory).items()), *COMMAND],
        directory / "data" / "keeper.starting",
        directory / "data" / "keeper",
        owner_key=lambda: load_or_create(directory / "data" / "owner-key"),
        say=(said if said is not None else []).append,
    )


@pytest.fixture
def directory() -> Iterator[Path]:
    with memory() as made:
        yield made


def gone(directory: Path) -> bool:
    """Wait until the keeper has gone: its socket goes last."""
    deadline = time.monotonic() + 60
    while (directory / "run" / "keeper.sock").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not (directory / "run" / "keeper.sock").exists()


async def _answers(client: KeeperClient) -> bool:
    try:
        await client.status()
    except KeeperAway:
        return False
    return True


async def test_a_keeper_is_started_where_none_is_and_ends_with_its_block(directory: Path) -> None:
    async with attended(directory) as keeper:
        first = await keeper.public_key(Owner("team"))
        assert (await keeper.client.status()).version
    assert not await _answers(keeper.client)
    assert not (directory / "run" / "keeper.sock").exists()
    async with attended(directory) as keeper:
        assert await keeper.public_key(Owner("team")) == first


async def test_a_keeper_that_runs_is_used_and_left_running(directory: Path) -> None:
    with running_keeper(directory) as running:
        async with attended(directory) as keeper:
            await keeper.public_key(Owner("team"))
        assert running.process.poll() is None
        assert await _answers(keeper.client)


async def test_another_installations_keeper_is_not_taken_for_ones_own(directory: Path) -> None:
    with running_keeper(directory):
        keeper = attended(directory)
        keeper._directory = directory / "other" / "keeper"
        with pytest.raises(PermanentError, match="another installation's"):
            await keeper.public_key(Owner("team"))


async def test_two_that_start_at_once_have_one_keeper(directory: Path) -> None:
    async with attended(directory) as one, attended(directory) as other:
        await asyncio.gather(one.there(), other.there())
        assert [one._process is None, other._process is None].count(False) == 1


async def test_when_the_keeper_goes_with_who_started_it_another_takes_its_place(directory: Path) -> None:
    secret = seal_for(directory, TOKEN, b"the value")
    wanted = terms(secrets=[TOKEN])
    one = attended(directory)
    async with one:
        await one.there()
        async with attended(directory) as other, other.lease(wanted) as lease:
            await one.__aexit__()
            assert not await _answers(one.client)
            (value,) = await lease.open_all([secret], step="test:unit")
            assert value.reveal() == b"the value"
            (entry,) = await other.client.exposures(wanted.build)
            assert isinstance(entry.fact, Released)
            assert entry.fact.name == "TOKEN"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_killed_run_leaves_no_keeper(number: signal.Signals, directory: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ATTENDS, str(directory)),
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"there\n"
    assert await _answers(attended(directory).client)
    process.send_signal(number)
    await process.wait()
    assert await asyncio.to_thread(gone, directory)
    assert not await _answers(attended(directory).client)


async def test_a_keeper_that_was_killed_is_started_anew(directory: Path) -> None:
    async with attended(directory) as keeper:
        await keeper.there()
        assert keeper._process is not None
        keeper._process.kill()
        await keeper._process.wait()
        await keeper.public_key(Owner("team"))
        assert await _answers(keeper.client)


async def test_what_the_keeper_refuses_is_said_with_its_reason(directory: Path) -> None:
    said: list[str] = []
    secret = seal_for(directory, CONFIG, b"the value")
    async with attended(directory, said) as keeper, keeper.lease(terms(secrets=[TOKEN])) as lease:
        with pytest.raises(Refused) as refused:
            await lease.open(secret, step="test:unit")
    assert refused.value.reference in said[0]
    assert "the plan does not give it to that step" in said[0]


async def test_one_that_cannot_start_says_why(directory: Path) -> None:
    kek = directory / "data" / "keys" / "key-encryption-key"
    kek.parent.mkdir(parents=True, mode=0o700)
    kek.write_bytes(b"short")
    kek.chmod(0o400)
    async with attended(directory) as keeper:
        with pytest.raises(PermanentError, match="the keeper did not start") as failed:
            await keeper.there()
    assert "key-encryption" in failed.value.details


async def test_a_log_is_opened_for_the_owner_alone_and_every_reading_is_written_down(directory: Path) -> None:
    owner, build = Owner("local", "0" * 32), "ab" * 16
    values, files = SealedFiles(directory / "data" / "sealed"), LogFiles(directory / "data" / "logs")
    async with attended(directory) as keeper:
        logs = SealedBuildLogs(files, values, keeper)
        writer = await logs.begin(owner, build)
        writer.write(b"hello\n")
        writer.close()
        with await logs.read(owner, build) as log:
            assert log.read(1, 10)[0].data == b"hello"
        status = await keeper.client.status()
        assert status.entries == 1
        stranger = load_or_create(directory / "another-key")
        keeper._owner_key = lambda: stranger
        with pytest.raises(Refused):
            await logs.read(owner, build)
        sealed = values.get(owner, Kind.LOG_KEY, build)
        assert sealed is not None


async def test_no_secret_of_a_step_is_opened_for_a_person(directory: Path) -> None:
    secret = seal_for(directory, name_of(Kind.VARIABLE, "TOKEN"), b"the value")
    async with attended(directory) as keeper:
        with pytest.raises(Refused):
            await keeper.open_for_owner(secret)


def test_public_keys_can_be_asked_for_outside_a_loop(directory: Path) -> None:
    asked = AskedPublicKeys(attended(directory))
    assert asked.public_key(Owner("team")) == asked.public_key(Owner("team"))
