"""A backup, and its way into another database of either kind."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import insert, select, update

from sealock.core.errors import PermanentError, SealockError, UsageError
from sealock.store.database.backup import backup, restore
from sealock.store.database.engine import Database, open_database
from sealock.store.database.migrations import current, downgrade, upgrade
from sealock.store.database.schema import metadata
from tests.support.database import fill, only, rows
from tests.support.postgres import Cluster

pytestmark = pytest.mark.anyio
deliveries = metadata.tables["deliveries"]


@pytest.fixture(params=["sqlite", "postgres"])
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a backup is restored to: of each kind, whatever it was taken from."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            yield f"sqlite:///{tmp_path}/other.db"
        else:
            cluster: Cluster = request.getfixturevalue("postgres")
            yield stack.enter_context(cluster.database())


@pytest.fixture
async def other(other_url: str) -> AsyncIterator[Database]:
    async with open_database(other_url) as opened:
        yield opened


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Path]:
    """A backup with a row in every table."""
    async with open_database(f"sqlite:///{tmp_path}/small.db") as database:
        await upgrade(database)
        await fill(database)
        await backup(database, tmp_path / "small.backup")
    yield tmp_path / "small.backup"


async def is_empty(database: Database) -> bool:
    return await rows(database) == {}


async def test_everything_comes_back_in_either_database(
    database: Database, other: Database, tmp_path: Path
) -> None:
    await fill(database)
    async with database.write() as connection:
        many = [{"source": "github", "delivery": f"{n:05d}", "received_at": n} for n in range(1000)]
        await connection.execute(insert(deliveries).values(many))
    before = await rows(database)
    counts = await backup(database, tmp_path / "backup")
    assert counts == {name: len(found) for name, found in before.items()}
    assert counts["deliveries"] == 1001
    assert await restore(other, tmp_path / "backup") == counts
    assert await rows(other) == before
    assert await current(other) == await current(database)
    await _goes_on(other)


async def _goes_on(database: Database) -> None:
    """Numbers that count up by themselves go on after the highest that was restored."""
    events = metadata.tables["audit_events"]
    new = {"actor": "sealock", "action": "a:b:c", "subject": "", "address": "", "at": 1}
    async with database.write() as connection:
        highest = (await connection.execute(select(events.c.id))).scalar_one()
        await connection.execute(insert(events).values(new))
        ids = (await connection.execute(select(events.c.id).order_by(events.c.id))).scalars().all()
    assert ids == [highest, highest + 1]


async def test_a_backup_is_for_us_alone_and_takes_no_files_place(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "kept" / "backup"
    path.parent.mkdir()
    await backup(database, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["backup"]
    before = path.read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        await backup(database, path)
    assert path.read_bytes() == before
    with pytest.raises(PermanentError, match="cannot be written"):
        await backup(database, tmp_path / "nowhere" / "backup")


async def test_a_database_without_tables_has_no_backup(database_url: str, tmp_path: Path) -> None:
    async with open_database(database_url) as empty:
        with pytest.raises(UsageError, match="no tables yet"):
            await backup(empty, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    assert not list(tmp_path.glob(".backup*"))


async def test_it_is_of_one_moment_while_others_write(
    database: Database, other: Database, tmp_path: Path
) -> None:
    """Each transaction counts in one table what it adds to another, which is read much later."""
    await fill(database)
    accounts = metadata.tables["accounts"]
    before = len((await rows(database))["deliveries"]) - 2

    busy = anyio.Event()

    async def deliver(number: int) -> None:
        async with database.write() as connection:
            counted = {"max_running": accounts.c.max_running + 1}
            await connection.execute(update(accounts).values(counted))
            new = {"source": "github", "delivery": str(number), "received_at": 1}
            await connection.execute(insert(deliveries).values(new))

    async def write() -> None:
        for number in itertools.count():
            await deliver(number)
            if number == 4:
                busy.set()

    async with anyio.create_task_group() as group:
        group.start_soon(write)
        await busy.wait()
        await backup(database, tmp_path / "backup")
        after = len((await rows(database))["deliveries"])
        group.cancel_scope.cancel()
    counts = await restore(other, tmp_path / "backup")
    [account] = (await rows(other))["accounts"]
    assert counts["deliveries"] - before == account["max_running"]
    assert 5 <= counts["deliveries"] < after


async def test_a_backup_of_an_older_version_is_brought_up_to_date(
    database: Database, other: Database, tmp_path: Path
) -> None:
    await fill(database)
    await downgrade(database, "0002")
    before = await rows(database)
    await backup(database, tmp_path / "backup")
    await upgrade(database)
    await restore(other, tmp_path / "backup")
    assert await current(other) == await current(database)
    after = await rows(other)
    assert only(after, before) == only(before, before) != {}
    assert not any(after[name] for name in after.keys() - before.keys())


async def test_what_is_there_is_never_replaced(database: Database, small: Path) -> None:
    before = await rows(database)
    with pytest.raises(UsageError, match="is not empty"):
        await restore(database, small)
    assert await rows(database) == before


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def write(path: Path, content: list[Any]) -> None:
    path.write_bytes(gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in content)))


def sign(content: list[Any]) -> None:
    """Make the digest right again, as whoever can change the file can too."""
    before = b"".join(json.dumps(line).encode() + b"\n" for line in content[:-1])
    content[-1]["sha256"] = hashlib.sha256(before).hexdigest()


def at(content: list[Any], table: str) -> int:
    """Where a table's heading is."""
    return next(
        number for number, line in enumerate(content) if isinstance(line, dict) and line.get("table") == table
    )


def newer(content: list[Any]) -> None:
    content[0]["revision"] = "9999"


def newer_format(content: list[Any]) -> None:
    content[0]["version"] = 2


def another(content: list[Any]) -> None:
    content[0]["format"] = "another"


@pytest.mark.parametrize(
    ("change", "words"),
    [(newer, "newer version"), (newer_format, "another version"), (another, "is no backup")],
)
async def test_another_versions_backup_is_refused(
    other: Database, small: Path, change: Callable[[list[Any]], None], words: str
) -> None:
    content = lines(small)
    change(content)
    write(small, content)
    with pytest.raises(UsageError, match=words):
        await restore(other, small)
    assert await is_empty(other)


def changed_value(content: list[Any]) -> None:
    content[at(content, "people") + 1][1] = "mallory@example.org"


def missing_row(content: list[Any]) -> None:
    del content[at(content, "receipts") + 1]


def row_twice(content: list[Any]) -> None:
    content.insert(at(content, "people") + 1, content[at(content, "people") + 1])


def missing_table(content: list[Any]) -> None:
    place = at(content, "deliveries")
    del content[place : place + 2]
    del content[-1]["end"]["deliveries"]
    sign(content)


def strange_table(content: list[Any]) -> None:
    content.insert(1, {"table": "alembic_version", "columns": ["version_num"]})
    sign(content)


def strange_column(content: list[Any]) -> None:
    content[at(content, "people")]["columns"][0] = "rowid"
    sign(content)


def wrong_type(content: list[Any]) -> None:
    content[at(content, "builds") + 1][3] = "seven"
    sign(content)


def orphan(content: list[Any]) -> None:
    content[at(content, "builds") + 1][2] = "no-such-project"
    sign(content)


def no_end(content: list[Any]) -> None:
    del content[-1]


def after_the_end(content: list[Any]) -> None:
    content.append({"table": "people", "columns": []})


@pytest.mark.parametrize(
    "change",
    [
        changed_value,
        missing_row,
        row_twice,
        missing_table,
        strange_table,
        strange_column,
        wrong_type,
        orphan,
        no_end,
        after_the_end,
    ],
    ids=lambda change: change.__name__,
)
async def test_a_damaged_backup_leaves_nothing(
    other: Database, small: Path, change: Callable[[list[Any]], None]
) -> None:
    content = lines(small)
    change(content)
    write(small, content)
    with pytest.raises(PermanentError, match=r"nothing of it was kept|was undone"):
        await restore(other, small)
    assert await is_empty(other)


async def test_no_byte_can_be_lost_or_changed(small: Path, tmp_path: Path) -> None:
    """Every part of the file: cut off there, and with a bit flipped there."""
    whole = small.read_bytes()
    places = sorted({*range(0, len(whole), 97), 0, 3, len(whole) - 1, len(whole) - 8})
    started = time.process_time()
    for number, place in enumerate(places):
        flipped = whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :]
        for kind, content in (("cut", whole[:place]), ("flipped", flipped)):
            if kind == "flipped" and (place in range(3, 10) or place == len(whole) - 9):
                continue  # gzip flags, time, system and fill bits, of which nothing is kept
            small.write_bytes(content)
            async with open_database(f"sqlite:///{tmp_path}/{kind}{number}.db") as database:
                with pytest.raises(SealockError):
                    await restore(database, small)
                assert await is_empty(database)
    assert time.process_time() - started < 60


@pytest.mark.parametrize(
    "content",
    [b"", b"{}\n", gzip.compress(b""), gzip.compress(b"[]\n"), gzip.compress(b"[" * 10**6)],
    ids=["nothing", "no gzip", "no line", "a list", "deep"],  # gzip writes the time down
)
async def test_what_is_no_backup_is_refused(other: Database, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "letter"
    path.write_bytes(content)
    with pytest.raises(SealockError, match=r"no backup of Sealock|is damaged"):
        await restore(other, path)
    assert await is_empty(other)


async def test_a_line_without_an_end_is_not_read_whole(
    other: Database, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("sealock.store.database.backup_reader.LONGEST_LINE", 1000)
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(b" " * 10**7))
    with pytest.raises(UsageError, match="no backup of Sealock") as refused:
        await restore(other, path)
    assert "too long" in refused.value.details
