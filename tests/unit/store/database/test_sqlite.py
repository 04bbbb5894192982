"""A database in a file: where it may lie, who may have it, and how it keeps what it was given."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from sealock.core.errors import PermanentError, TemporaryError, UsageError
from sealock.store.database import sqlite
from sealock.store.database.address import SqliteFile
from sealock.store.database.engine import open_database
from sealock.store.database.sqlite import make_file, only_server, refuse_shared_filesystem, sqlite_engine

pytestmark = pytest.mark.anyio
MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda1 rw
30 22 0:40 / /srv rw,relatime - {kind} somewhere:/srv rw
31 30 254:1 / /srv/local rw,relatime - xfs /dev/vdb rw
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "sealock.db"


@pytest.mark.parametrize(
    "kind",
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "9p",
        "ceph",
        "virtiofs",
        "fuse.sshfs",
        "fuse.glusterfs",
        "fuse",
        "fuse.s3fs",
    ],
)
def test_a_file_system_of_several_hosts_is_refused(kind: str) -> None:
    mounts = MOUNTS.format(kind=kind)
    with pytest.raises(UsageError, match="other hosts may use too") as refused:
        refuse_shared_filesystem(Path("/srv/sealock/sealock.db"), mounts)
    assert kind in refused.value.brief
    assert "PostgreSQL" in refused.value.resolution
    refuse_shared_filesystem(Path("/srv/local/sealock.db"), mounts)
    refuse_shared_filesystem(Path("/var/sealock.db"), mounts)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuse.fuse-overlayfs"])
def test_a_file_system_of_this_host_is_taken(kind: str) -> None:
    refuse_shared_filesystem(Path("/srv/sealock/sealock.db"), MOUNTS.format(kind=kind))


async def test_where_it_would_be_opened_is_looked_at(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "filesystem_of", lambda *_: "nfs4")
    with pytest.raises(UsageError, match="nfs4"):
        async with open_database(f"sqlite:///{path}"):
            pass
    assert not path.exists()


async def test_a_second_server_is_refused_and_a_later_one_is_not(path: Path) -> None:
    url = f"sqlite:///{path}"
    async with open_database(url):
        with pytest.raises(UsageError, match="another server is using"):
            async with open_database(url):
                pass
        link = path.with_name("link.db")
        link.symlink_to(path)
        with pytest.raises(UsageError, match="another server is using"):
            async with open_database(f"sqlite:///{link}"):
                pass
    async with open_database(url):
        pass


def test_a_killed_server_leaves_no_lock(path: Path) -> None:
    hold = "import sys, time, pathlib; from sealock.store.database.sqlite import only_server\n"
    hold += "with only_server(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    path.parent.mkdir(mode=0o700)
    with subprocess.Popen([sys.executable, "-c", hold, path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(UsageError, match="another server"), only_server(path):
            pass
        process.kill()
    with only_server(path):
        pass


async def test_a_backup_may_read_beside_a_server(path: Path) -> None:
    async with open_database(f"sqlite:///{path}") as server:
        async with server.write() as connection:
            await connection.execute(text("CREATE TABLE kept (value INTEGER)"))
        async with open_database(f"sqlite:///{path}", alone=False) as beside, beside.read() as connection:
            assert (await connection.execute(text("SELECT count(*) FROM kept"))).scalar() == 0


async def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    place = SqliteFile(tmp_path / "100% né? #1&x=y" / "a?b.db")
    make_file(place.path)
    engine = sqlite_engine(place.path)
    async with engine.connect() as connection:
        await connection.execute(text("CREATE TABLE kept (value INTEGER)"))
        await connection.commit()
    await engine.dispose()
    assert place.path.stat().st_size > 0
    assert [file.name for file in place.path.parent.iterdir()] == ["a?b.db"]


async def test_nobody_else_may_read_it(path: Path) -> None:
    async with open_database(f"sqlite:///{path}") as database:
        async with database.write() as connection:
            await connection.execute(text("CREATE TABLE kept (value INTEGER)"))
        files = sorted(path.parent.iterdir())
        assert [file.name.removeprefix(path.name) for file in files] == ["", "-shm", "-wal", ".server"]
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
        assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o601])
async def test_a_file_others_may_read_is_refused(path: Path, mode: int) -> None:
    path.parent.mkdir(mode=0o700)
    path.touch()
    path.chmod(mode)
    with pytest.raises(PermanentError, match="others may read or change"):
        async with open_database(f"sqlite:///{path}"):
            pass


async def test_a_directory_others_may_change_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o777)
    with pytest.raises(PermanentError, match="can be changed by somebody else"):
        async with open_database(f"sqlite:///{path}"):
            pass


async def test_a_file_that_is_no_database_is_refused_untouched(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_bytes(b"a letter to my mother, much longer than a header of a database" * 99)
    path.chmod(0o600)
    before = path.read_bytes()
    with pytest.raises(PermanentError, match="cannot be read or written") as refused:
        async with open_database(f"sqlite:///{path}"):
            pass
    assert "not a database" in refused.value.details
    assert path.read_bytes() == before


async def test_every_connection_keeps_what_it_is_given(path: Path) -> None:
    url = f"sqlite:///{path}"
    async with open_database(url) as database, database.read() as one, database.read() as two:
        for connection in (one, two):
            for pragma, value in (
                ("journal_mode", "wal"),
                ("synchronous", 2),
                ("foreign_keys", 1),
                ("secure_delete", 1),
                ("busy_timeout", 30_000),
            ):
                assert (await connection.execute(text(f"PRAGMA {pragma}"))).scalar() == value


async def test_a_writer_holds_the_file_before_it_has_read(path: Path) -> None:
    """Two that read first and write later would both have seen the same number."""
    async with open_database(f"sqlite:///{path}") as database:
        async with database.write() as connection:
            await connection.execute(text("CREATE TABLE numbers (value INTEGER)"))
            await connection.execute(text("INSERT INTO numbers VALUES (0)"))

        async def count_up(through: str) -> None:
            async with open_database(through, alone=False) as mine, mine.write() as connection:
                value = (await connection.execute(text("SELECT value FROM numbers"))).scalar_one()
                await asyncio.sleep(0.01)
                await connection.execute(text("UPDATE numbers SET value = :next"), {"next": value + 1})

        await asyncio.gather(*(count_up(f"sqlite:///{path}") for _ in range(10)))
        async with database.read() as connection:
            assert (await connection.execute(text("SELECT value FROM numbers"))).scalar() == 10


async def test_a_file_that_is_held_too_long_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    url = f"sqlite:///{path}"
    async with open_database(url) as one, open_database(url, alone=False) as other, one.write():
        with pytest.raises(TemporaryError, match="held by somebody else"):
            async with other.write():
                pass


async def test_a_disk_that_is_full_is_told_and_good_again_once_there_is_room(path: Path) -> None:
    """It passes, and nothing has to be restarted for it: readers read on meanwhile."""
    fill = text("INSERT INTO kept VALUES (randomblob(100000))")
    async with open_database(f"sqlite:///{path}") as database:
        async with database.write() as connection:
            await connection.execute(text("CREATE TABLE kept (value BLOB)"))
        with pytest.raises(TemporaryError, match="has no room") as full:
            async with database.write() as connection:
                await connection.execute(text("PRAGMA max_page_count = 3"))
                await connection.execute(fill)
        assert "full" in full.value.details and "Make room" in full.value.resolution
        async with database.read() as connection:
            assert (await connection.execute(text("SELECT count(*) FROM kept"))).scalar() == 0
        async with database.write() as connection:
            await connection.execute(text("PRAGMA max_page_count = 1000000"))
            await connection.execute(fill)


async def test_what_is_destroyed_is_overwritten(path: Path) -> None:
    async with open_database(f"sqlite:///{path}") as database:
        async with database.write() as connection:
            await connection.execute(text("CREATE TABLE kept (value TEXT)"))
            await connection.execute(text("INSERT INTO kept VALUES ('a canary in a file')"))
        async with database.write() as connection:
            await connection.execute(text("DELETE FROM kept"))
    assert b"canary" not in path.read_bytes()
    assert not os.path.lexists(f"{path}-wal")


async def test_looking_at_the_file_again_drops_no_lock(path: Path) -> None:
    """POSIX drops a process's locks on a file when it closes any descriptor of it: another process would
    then think that it is alone, and clear away what this one still writes to."""
    writer = (
        "import sqlite3, sys; other = sqlite3.connect(sys.argv[1]); "
        "other.execute('INSERT INTO numbers VALUES (1)'); other.commit(); other.close()"
    )
    log = path.with_name(f"{path.name}-wal")
    async with open_database(f"sqlite:///{path}") as database:
        async with database.write() as connection:
            await connection.execute(text("CREATE TABLE numbers (number INTEGER)"))
        before = log.stat().st_ino
        make_file(path)
        other = await asyncio.create_subprocess_exec(sys.executable, "-c", writer, str(path))
        assert await other.wait() == 0
        assert log.stat().st_ino == before
        async with database.read() as connection:
            assert (await connection.execute(text("SELECT number FROM numbers"))).all() == [(1,)]


def test_a_link_is_no_database(path: Path, tmp_path: Path) -> None:
    make_file(path)
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with pytest.raises(PermanentError, match="is a link"):
        make_file(link)


async def test_a_cancelled_writer_lets_go_of_the_file(path: Path) -> None:
    """Wherever it is cancelled, and whoever keeps its exception, another process can write at once."""
    timing = random.Random(4)
    async with open_database(f"sqlite:///{path}") as database:
        async with database.write() as connection:
            await connection.execute(text("CREATE TABLE numbers (number INTEGER)"))

        async def work() -> None:
            while True:
                async with database.write() as connection:
                    (await connection.execute(text("SELECT count(*) FROM numbers"))).one()
                    await connection.execute(text("UPDATE numbers SET number = 1"))

        for _ in range(200):
            tasks = [asyncio.create_task(work()) for _ in range(3)]
            await asyncio.sleep(timing.uniform(0, 0.01))
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await asyncio.to_thread(_take, path)


def _take(path: Path) -> None:
    other = sqlite3.connect(path, timeout=2, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
    finally:
        other.close()
