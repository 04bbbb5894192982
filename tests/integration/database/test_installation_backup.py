"""A backup of a whole installation, and its way into another one with either kind of database."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError, SealockError, UsageError
from sealock.core.project import Project, owner_of
from sealock.core.scope import Scope
from sealock.core.sealed import Kind
from sealock.core.secret import Secret
from sealock.store import restore as restoring
from sealock.store.backups import InstallationBackups
from sealock.store.database.engine import Database, open_database
from sealock.store.database.migrations import upgrade
from tests.support.database import rows
from tests.support.hosted import ADDRESS, HOST_KEY, Hosted
from tests.support.hosted_keys import rotate
from tests.support.keys import files
from tests.support.postgres import Cluster

pytestmark = pytest.mark.anyio
CANARY = b"canary-5be2-line-of-a-build"
PARTS = ("logs", "receipts", "projects", "sealed")


def quiet(_: str) -> None:
    """Nobody looks."""


def backups(data: Path, url: str, *, has_database: bool = True) -> InstallationBackups:
    return InstallationBackups(data, url, has_database=has_database, alone=nullcontext)


@dataclass
class Full:
    """An installation with something of everything."""

    hosted: Hosted
    url: str
    projects: list[Project]
    secrets: list[bytes]

    @property
    def data(self) -> Path:
        return self.hosted.directory


@pytest.fixture
async def full(database: Database, database_url: str, tmp_path: Path) -> Full:
    """With either kind of database."""
    return await make_full(database, database_url, tmp_path / "data")


@pytest.fixture
async def taken(full: Full, tmp_path: Path) -> Path:
    """A backup of it."""
    await asyncio.to_thread(backups(full.data, full.url).backup, tmp_path / "backup", quiet)
    return tmp_path / "backup"


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[Full]:
    """With a file for a database."""
    url = f"sqlite:///{tmp_path}/sealock.db"
    async with open_database(url) as database:
        await upgrade(database)
        yield await make_full(database, url, tmp_path / "data")


@pytest.fixture
async def its_backup(one: Full, tmp_path: Path) -> Path:
    """A backup of that one."""
    await asyncio.to_thread(backups(one.data, one.url).backup, tmp_path / "backup", quiet)
    return tmp_path / "backup"


async def make_full(database: Database, url: str, data: Path) -> Full:
    hosted = Hosted(database, data)
    private: list[bytes] = []
    for name in ("parser", "printer"):
        project = await hosted.projects.create("local", name, ADDRESS.replace("parser", name), (HOST_KEY,))
        await hosted.secrets.keep(
            "local",
            project.id,
            kind=Kind.VARIABLE,
            name="TOKEN",
            value=Secret(CANARY),
            scope=Scope((), False, True),
        )
        log = await hosted.logs.begin(owner_of(project.id), project.id)
        log.write(CANARY + b"\n")
        log.close()
        await hosted.build(project.id)
        with hosted.opener.open_key(project) as key:
            private += [line for line in key.reveal().splitlines()[1:-1] if len(line) > 20]
    await asyncio.to_thread(rotate, hosted.keys, url, "sets")  # it leaves its marks
    made = await hosted.projects.all("local")
    (data / "receipts").mkdir(mode=0o700)
    (data / "receipts" / f"{made[0].id}.intoto.jsonl").write_bytes(b'{"signed": 1}\n')
    (data / "owner-key").write_bytes(b"key of the owner")
    (data / "authority").mkdir()
    (data / "authority" / "key.pem").write_bytes(b"key of the authority")
    secrets = [CANARY, b"key of the", *private, *(part for _, part in files(data / "keys") if part)]
    return Full(hosted, url, made, secrets)


@dataclass
class Empty:
    """Where it is restored to."""

    data: Path
    url: str

    @property
    def backups(self) -> InstallationBackups:
        return backups(self.data, self.url)

    async def is_untouched(self) -> bool:
        """Whether nothing of a restore is left."""
        if any((self.data / part).exists() for part in (*PARTS, ".restoring")):
            return False
        if self.url.startswith("sqlite"):
            return not list(self.data.parent.glob("other.db*"))
        async with open_database(self.url) as database:
            return await rows(database) == {}


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Empty]:
    """Of each kind, whatever the backup was taken from."""
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/other/other.db"
        if request.param == "postgres":
            cluster: Cluster = request.getfixturevalue("postgres")
            url = stack.enter_context(cluster.database())
        yield Empty(tmp_path / "other" / "data", url)


def content(data: Path) -> dict[str, bytes]:
    """What lies in the parts, but for locks."""
    return {
        str(path.relative_to(data)): found
        for part in PARTS
        for path, found in files(data / part)
        if not path.name.endswith(".lock")
    }


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


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None], *, listed: bool = True) -> Path:
    """A copy of the backup with other members. listed: with their digests in its last member."""
    with tarfile.open(path) as archive:
        members = {each.name: archive.extractfile(each).read() for each in archive.getmembers()}  # type: ignore[union-attr]
    end = members.pop("end.json")
    change(members)
    if listed:
        told = {
            name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in members.items()
            if name != "head.json"
        }
        end = json.dumps({"members": told}).encode()
    copy = path.with_name("changed")
    with tarfile.open(copy, "w") as archive:
        for name, data in {**members, "end.json": end}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return copy


def _rename(members: dict[str, bytes], name: str) -> None:
    members[name] = members.pop(next(each for each in members if each.startswith("logs/")))


@pytest.mark.parametrize(
    "name",
    [
        "../escaped",
        "/tmp/escaped",
        "logs/../../escaped",
        "logs/.hidden",
        "keys/key-encryption-key",
        "logs",
        "logs/a\nb",
        "owner-key",
        "logs/" + "a/" * 9 + "a",
        "logs//a",
    ],
)
async def test_a_name_that_is_not_ours_is_refused(its_backup: Path, empty: Empty, name: str) -> None:
    changed = rewritten(its_backup, lambda members: _rename(members, name))
    with pytest.raises(PermanentError, match="is damaged"):
        await asyncio.to_thread(empty.backups.restore, changed, quiet)
    assert await empty.is_untouched()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
async def test_what_is_no_plain_file_is_refused(its_backup: Path, empty: Empty, kind: bytes) -> None:
    with tarfile.open(its_backup) as archive:
        head = archive.extractfile("head.json")
        assert head is not None
        data = head.read()
    changed = its_backup.with_name("changed")
    with tarfile.open(changed, "w") as archive:
        info = tarfile.TarInfo("head.json")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("logs/link")
        link.type, link.linkname = kind, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(PermanentError, match="no plain file"):
        await asyncio.to_thread(empty.backups.restore, changed, quiet)
    assert await empty.is_untouched()


async def test_a_changed_byte_anywhere_is_found(its_backup: Path, tmp_path: Path) -> None:
    """Not in what nobody reads: the padding of a header."""
    data, place = its_backup.read_bytes(), Empty(tmp_path / "other", f"sqlite:///{tmp_path}/other.db")
    with tarfile.open(its_backup) as archive:
        spans = [(each.offset_data, each.size) for each in archive.getmembers()]
    for start, size in spans:
        for at in {start, start + size // 2, start + size - 1}:
            changed = bytearray(data)
            changed[at] ^= 0x01
            its_backup.with_name("changed").write_bytes(changed)
            with pytest.raises(SealockError):
                await asyncio.to_thread(place.backups.restore, its_backup.with_name("changed"), quiet)
            assert not any((place.data / part).exists() for part in (*PARTS, ".restoring"))
            assert not (tmp_path / "other.db").exists()


async def test_one_that_is_cut_off_or_gone_on_with_is_refused(its_backup: Path, tmp_path: Path) -> None:
    data, place = its_backup.read_bytes(), Empty(tmp_path / "other", f"sqlite:///{tmp_path}/other.db")
    changes = [data[: len(data) * part // 7] for part in range(7)] + [data + b"x", data + data]
    for changed in changes:
        its_backup.with_name("changed").write_bytes(changed)
        with pytest.raises(SealockError):
            await asyncio.to_thread(place.backups.restore, its_backup.with_name("changed"), quiet)
        assert not any((place.data / part).exists() for part in (*PARTS, ".restoring"))
    for missing in ("sealed/", "database.gz"):
        changed_file = rewritten(its_backup, partial(_drop, missing), listed=False)
        with pytest.raises(PermanentError, match="missing"):
            await asyncio.to_thread(place.backups.restore, changed_file, quiet)


def _drop(start: str, members: dict[str, bytes]) -> None:
    del members[next(each for each in members if each.startswith(start))]


async def test_what_is_no_backup_is_told(its_backup: Path, empty: Empty, tmp_path: Path) -> None:
    for name, data in {"empty": b"", "text": b"hello" * 1000, "rows": gzip.compress(b"{}")}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UsageError, match="no backup of an installation"):
            await asyncio.to_thread(empty.backups.restore, tmp_path / name, quiet)
    newer = rewritten(
        its_backup,
        lambda members: members.update(
            {"head.json": json.dumps({"format": "sealock installation", "version": 2}).encode()}
        ),
    )
    with pytest.raises(UsageError, match="another version of Sealock"):
        await asyncio.to_thread(empty.backups.restore, newer, quiet)
    with pytest.raises(UsageError, match="there is no file"):
        await asyncio.to_thread(empty.backups.restore, tmp_path / "nowhere", quiet)
    assert await empty.is_untouched()


async def test_a_database_that_does_not_fit_undoes_all(its_backup: Path, empty: Empty) -> None:
    """The parts have their places by then."""

    def spoil(members: dict[str, bytes]) -> None:
        lines = gzip.decompress(members["database.gz"]).splitlines(keepends=True)
        members["database.gz"] = gzip.compress(b"".join(lines[:-1]))

    changed = rewritten(its_backup, spoil)
    with pytest.raises(PermanentError, match="is damaged"):
        await asyncio.to_thread(empty.backups.restore, changed, quiet)
    assert await empty.is_untouched()
    await asyncio.to_thread(empty.backups.restore, its_backup, quiet)
    assert content(empty.data) != {}


KILLED = """
import os, signal, sys
from contextlib import nullcontext
from pathlib import Path
from sealock.store import restore as restoring
from sealock.store.backups import InstallationBackups

data, url, file, where, count = sys.argv[1:6]
count = int(count)
real = getattr(restoring._Target if where[0] != "/" else Path, where.strip("/"))

def killed(self, *arguments):
    global count
    count -= 1
    if count == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, *arguments)

setattr(restoring._Target if where[0] != "/" else Path, where.strip("/"), killed)
InstallationBackups(Path(data), url, has_database=True, alone=nullcontext).restore(Path(file), lambda _: None)
"""


@pytest.mark.parametrize(
    ("where", "count"), [("placed", 1), ("/rename", 1), ("/rename", 2), ("/rename", 3), ("fill_database", 1)]
)
async def test_one_that_is_killed_is_asked_for_again(
    one: Full, its_backup: Path, empty: Empty, where: str, count: int
) -> None:
    asked = [sys.executable, "-c", KILLED, str(empty.data), empty.url, str(its_backup), where, str(count)]
    done = await asyncio.to_thread(subprocess.run, asked, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr.decode()
    assert (empty.data / ".restoring").exists()
    await asyncio.to_thread(empty.backups.restore, its_backup, quiet)
    assert content(empty.data) == content(one.data)
    assert not (empty.data / ".restoring").exists()


async def test_one_that_was_killed_after_the_database_was_filled_is_done(
    one: Full, its_backup: Path, empty: Empty
) -> None:
    asked = [sys.executable, "-c", KILLED, str(empty.data), empty.url, str(its_backup), "clear", "2"]
    done = await asyncio.to_thread(subprocess.run, asked, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr.decode()
    with pytest.raises(UsageError, match="there is something in"):
        await asyncio.to_thread(empty.backups.restore, its_backup, quiet)
    assert content(empty.data) == content(one.data)
    assert not (empty.data / ".restoring").exists()


async def test_what_was_changed_since_is_not_taken_back(one: Full, its_backup: Path, empty: Empty) -> None:
    asked = [sys.executable, "-c", KILLED, str(empty.data), empty.url, str(its_backup), "fill_database", "1"]
    await asyncio.to_thread(subprocess.run, asked, capture_output=True, check=False)
    (empty.data / "sealed" / "new").write_bytes(b"somebody went on")
    with pytest.raises(PermanentError, match="was changed since"):
        await asyncio.to_thread(empty.backups.restore, its_backup, quiet)
    assert (empty.data / "sealed" / "new").exists()


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
