"""A backup of a whole installation, and its way into another one with either kind of database."""

from __future__ import annotations

import asyncio
import gzip
import os
import tarfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError, UsageError
from sealock.core.project import owner_of
from sealock.store import restore as restoring
from sealock.store.backups import InstallationBackups
from sealock.store.database.engine import open_database
from sealock.store.database.migrations import upgrade
from tests.support.backups import CANARY, PARTS, Empty, Full, backups, content, quiet
from tests.support.database import rows
from tests.support.hosted import Hosted
from tests.support.keys import files

pytestmark = pytest.mark.anyio


async def test_everything_comes_back_with_either_database(full: Full, taken: Path, empty: Empty) -> None:
    kept = await asyncio.to_thread(empty.backups.restore, taken, quiet)
    assert content(empty.data) == content(full.data)
    assert kept.files == {"logs": 2, "receipts": 1, "projects": 2, "sealed": 6}
    assert kept.size == taken.stat().st_size
    before = await rows(full.hosted.database)
    assert kept.rows == {name: len(found) for name, found in before.items()}
    async with open_database(empty.url) as database:
        assert await rows(database) == before
        again = Hosted(database, empty.data)
        again.keys.files = full.hosted.keys.files  # the keys are brought back by themselves
        again.opener = full.hosted.opener
        assert await again.projects.all("local") == full.projects
        for project in full.projects:
            again.opener.open_key(project).forget()
    for path in (empty.data, *empty.data.rglob("*")):
        assert path.lstat().st_mode & 0o077 == 0
    assert not (empty.data / ".restoring").exists()


async def test_no_line_no_secret_and_no_key_is_in_it(full: Full, taken: Path) -> None:
    """Searched as it lies, and unpacked."""
    assert taken.stat().st_mode & 0o777 == 0o600
    found = [taken.read_bytes()]
    with tarfile.open(taken) as archive:
        for member in archive.getmembers():
            opened = archive.extractfile(member)
            assert opened is not None
            data = opened.read()
            found.append(gzip.decompress(data) if member.name.endswith(".gz") else data)
            assert member.name.split("/")[0] in {*PARTS, "head.json", "database.gz", "end.json"}
    assert len(full.secrets) > 8
    for secret in full.secrets:
        assert len(secret) >= 8
        for spelling in (secret, secret.hex().encode(), b64encode(secret).rstrip(b"=")):
            assert all(spelling not in data for data in found), secret


async def test_what_is_planted_is_found_where_it_is_looked_for(one: Full, tmp_path: Path) -> None:
    """The search above finds a line that lies open."""
    (one.data / "receipts" / "open.jsonl").write_bytes(CANARY)
    await asyncio.to_thread(backups(one.data, one.url).backup, tmp_path / "backup", quiet)
    assert CANARY in (tmp_path / "backup").read_bytes()


async def test_a_backup_beside_a_busy_server_is_consistent(full: Full, tmp_path: Path, empty: Empty) -> None:
    """Builds begin and log whenever it gets on: each log that is in it has its key, and each build that the
    database knows its log."""
    project, loop, numbers = full.projects[0], asyncio.get_running_loop(), iter(range(2, 10_000))

    async def begin() -> None:
        next(numbers)
        build = await full.hosted.build(project.id)
        log = await full.hosted.logs.begin(owner_of(project.id), build)
        log.write(CANARY)
        log.close()

    def told(_: str) -> None:
        asyncio.run_coroutine_threadsafe(begin(), loop).result()

    for _ in range(3):
        await begin()
    await asyncio.to_thread(backups(full.data, full.url).backup, tmp_path / "backup", told)
    await asyncio.to_thread(empty.backups.restore, tmp_path / "backup", quiet)
    logs = {path.stem for path in (empty.data / "logs").glob("*.log")}
    keys = {path.parent.name for path in (empty.data / "sealed").rglob("log-key/*/1.json")}
    async with open_database(empty.url) as database:
        known = {row["id"] for row in (await rows(database))["builds"] if row["number"] > 1}
    assert len(known) == 3
    assert next(numbers) > 10
    assert known <= logs <= keys


async def test_a_log_that_grows_is_in_it_up_to_where_it_was(
    one: Full, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = next((one.data / "logs").glob("*.log"))
    before, real = path.read_bytes(), os.fstat

    def grow(descriptor: int) -> os.stat_result:
        found = real(descriptor)
        if found.st_ino == path.stat().st_ino:
            with path.open("ab") as file:
                file.write(b"more")
        return found

    monkeypatch.setattr("sealock.store.backup.os.fstat", grow)
    await asyncio.to_thread(backups(one.data, one.url).backup, tmp_path / "backup", quiet)
    with tarfile.open(tmp_path / "backup") as archive:
        copied = archive.extractfile(f"logs/{path.name}")
        assert copied is not None
        assert copied.read() == before


async def test_it_takes_no_files_place_and_leaves_nothing_when_it_fails(
    one: Full, its_backup: Path, tmp_path: Path
) -> None:
    before = its_backup.read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        await asyncio.to_thread(backups(one.data, one.url).backup, its_backup, quiet)
    assert its_backup.read_bytes() == before
    (one.data / "logs" / "strange name").write_bytes(b"")
    with pytest.raises(PermanentError, match="no file of ours"):
        await asyncio.to_thread(backups(one.data, one.url).backup, tmp_path / "second", quiet)
    with pytest.raises(UsageError, match="is not there"):
        wrong = backups(one.data, f"sqlite:///{tmp_path}/nowhere.db")
        (one.data / "logs" / "strange name").unlink()
        await asyncio.to_thread(wrong.backup, tmp_path / "second", quiet)
    with pytest.raises(PermanentError, match="cannot be written"):
        await asyncio.to_thread(backups(one.data, one.url).backup, tmp_path / "no" / "backup", quiet)
    with pytest.raises(UsageError, match="nothing to back up"):
        nothing = backups(tmp_path / "nothing", "", has_database=False)
        await asyncio.to_thread(nothing.backup, tmp_path / "second", quiet)
    assert sorted(path.name for path in tmp_path.iterdir() if "backup" in path.name) == ["backup"]
    assert not list(tmp_path.glob(".*"))
    assert not (tmp_path / "nowhere.db").exists()


async def test_a_link_is_not_followed(one: Full, tmp_path: Path) -> None:
    (one.data / "receipts" / "link").symlink_to(one.data / "owner-key")
    with pytest.raises(PermanentError, match="cannot be written"):
        await asyncio.to_thread(backups(one.data, one.url).backup, tmp_path / "backup", quiet)
    assert not (tmp_path / "backup").exists()


async def test_nobody_rotates_keys_meanwhile(one: Full, tmp_path: Path) -> None:
    held: list[bool] = []

    @contextmanager
    def alone() -> Iterator[None]:
        held.append(True)
        yield
        held.append((tmp_path / "backup").exists())

    ours = InstallationBackups(one.data, one.url, has_database=True, alone=alone)
    await asyncio.to_thread(ours.backup, tmp_path / "backup", lambda _: held.append(len(held) == 1))
    assert held[0]
    assert len(held) > 2


@pytest.mark.parametrize("part", [*PARTS, "database"])
async def test_it_takes_the_place_of_nothing(its_backup: Path, empty: Empty, part: str) -> None:
    if part == "database":
        async with open_database(empty.url) as database:
            await upgrade(database)
    else:
        (empty.data / part).mkdir(parents=True, mode=0o700)
        (empty.data / part / "mine").write_bytes(b"mine")
    empty.data.mkdir(parents=True, mode=0o700, exist_ok=True)
    before = {path: found for path, found in files(empty.data)}
    with pytest.raises(UsageError, match="there is something in"):
        await asyncio.to_thread(empty.backups.restore, its_backup, quiet)
    assert {path: found for path, found in files(empty.data)} == before


async def test_a_server_that_runs_is_in_the_way(its_backup: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/other.db"
    async with open_database(url):
        with pytest.raises(UsageError, match="another server is using"):
            await asyncio.to_thread(backups(tmp_path / "other", url).restore, its_backup, quiet)
    assert not list((tmp_path / "other").iterdir())


async def test_how_far_it_is_is_told(one: Full, its_backup: Path, empty: Empty, tmp_path: Path) -> None:
    told: list[str] = []
    await asyncio.to_thread(backups(one.data, one.url).backup, tmp_path / "second", told.append)
    assert told[-1] == "sealed: 6 of 6 files"
    await asyncio.to_thread(empty.backups.restore, its_backup, told.append)
    assert any(line.endswith("files checked") for line in told)
    assert told[-1].startswith("database: ")


async def test_an_installation_without_a_server(tmp_path: Path, one: Full) -> None:
    """`sealock run` alone: there is no database, and none is made."""
    alone = backups(one.data, f"sqlite:///{tmp_path}/none.db", has_database=False)
    kept = await asyncio.to_thread(alone.backup, tmp_path / "backup", quiet)
    assert kept.rows is None
    place = backups(tmp_path / "other", f"sqlite:///{tmp_path}/none.db", has_database=False)
    await asyncio.to_thread(place.restore, tmp_path / "backup", quiet)
    assert content(tmp_path / "other") == content(one.data)
    assert not (tmp_path / "none.db").exists()
    assert restoring.STAGING not in {path.name for path in (tmp_path / "other").iterdir()}
