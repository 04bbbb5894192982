"""The database as a place where sealed values lie, beside a running server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealock.core.errors import PermanentError, TemporaryError, UsageError
from sealock.core.project import Project, owner_of
from sealock.core.sealed import Owner, RetiredKey, Sealed
from sealock.store.database import sqlite
from sealock.store.database.engine import Database, open_database
from sealock.store.database.migrations import upgrade
from sealock.store.database.projects import DatabaseProjects
from sealock.store.database.sealed_place import DatabaseSealedPlace
from tests.integration.database.test_projects import make

pytestmark = pytest.mark.anyio
PARSER = owner_of(make().id)


def key_of(project: Project) -> Sealed:
    assert isinstance(project.sealed_key, Sealed)
    return project.sealed_key


@pytest.fixture
def place(database: Database, database_url: str) -> DatabaseSealedPlace:
    """With the database open as of a running server."""
    return DatabaseSealedPlace(database_url)


@pytest.fixture
def records(database: Database) -> DatabaseProjects:
    return DatabaseProjects(database, "local")


async def in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """As from another process: a rotation waits for each call."""
    return await asyncio.to_thread(work, *arguments)


async def test_a_projects_key_lies_there(place: DatabaseSealedPlace, records: DatabaseProjects) -> None:
    assert list(place.sealed_of(PARSER)) == []
    await records.add(make())
    await records.add(make("printer", 2))
    assert list(place.sealed_of(PARSER)) == [make().sealed_key]
    for other in (Owner("local"), Owner("other", make().id), owner_of("f" * 32)):
        assert list(place.sealed_of(other)) == []


async def test_a_key_is_put_in_the_place_of_exactly_the_old_one(
    place: DatabaseSealedPlace, records: DatabaseProjects
) -> None:
    await records.add(make())
    old = key_of(make())
    new = replace(old, key_version=2, suite="another", data=b"new")
    for another in (
        replace(old, data=b"other"),
        replace(old, key_version=9),
        replace(old, created_at=old.created_at + 1),
        replace(old, suite="other"),
    ):
        assert not place.reseal(another, new)
    assert await records.get("parser") == make()
    assert place.reseal(old, new)
    assert await records.get("parser") == replace(make(), sealed_key=new)
    assert not place.reseal(old, new)
    with pytest.raises(ValueError, match="own name"):
        place.reseal(new, key_of(make("printer", 2)))


async def test_a_key_that_was_reset_meanwhile_stays(
    place: DatabaseSealedPlace, records: DatabaseProjects
) -> None:
    await records.add(make())
    (old,) = place.sealed_of(PARSER)
    await records.replace(make(version=2))
    assert not place.reseal(old, replace(old, key_version=2))
    assert await records.get("parser") == make(version=2)


async def test_a_version_is_retired_once_nothing_needs_it(
    place: DatabaseSealedPlace, records: DatabaseProjects
) -> None:
    await records.add(make())
    assert not place.retire(PARSER, 2)
    await records.replace(make(version=2))  # still taken
    (old,) = place.sealed_of(PARSER)
    assert place.reseal(old, replace(old, key_version=2))
    assert place.retire(PARSER, 2)
    assert place.retire(PARSER, 2)
    assert place.retire(PARSER, 1)  # a mark never goes back
    with pytest.raises(RetiredKey):
        await records.replace(make(version=3))
    (kept,) = place.sealed_of(PARSER)
    with pytest.raises(RetiredKey):
        place.reseal(kept, replace(kept, key_version=1, data=b"late"))
    assert list(place.sealed_of(PARSER)) == [kept]
    await records.replace(make(version=3, key_version=2))
    with pytest.raises(RetiredKey):
        await records.add(make("late", 1))
    assert place.retire(owner_of("f" * 32), 2)


async def test_a_forgotten_project_leaves_no_mark(
    place: DatabaseSealedPlace, records: DatabaseProjects
) -> None:
    await records.add(make(key_version=3))
    assert place.retire(PARSER, 3)
    place.forget_owner(PARSER)
    assert await records.all() == [make(key_version=3)]
    await records.forget(make().id)
    await records.add(make(key_version=1))


@pytest.mark.parametrize("kind", ["add", "replace"])
async def test_a_mark_waits_for_what_is_being_kept(
    place: DatabaseSealedPlace, records: DatabaseProjects, database: Database, kind: str
) -> None:
    """A key is about to be kept, sealed to the version that is about to be destroyed: either the mark sees
    it, or it sees the mark."""
    if kind == "replace":
        await records.add(make(key_version=2))
    looked, go_on = asyncio.Event(), asyncio.Event()

    class Slow(DatabaseProjects):
        """Its transaction is held open once the key is in it."""

    real = database.write

    class Held:
        def __init__(self, **options: Any) -> None:
            self._real = real(**options)

        async def __aenter__(self) -> Any:
            return await self._real.__aenter__()

        async def __aexit__(self, *error: Any) -> Any:
            looked.set()
            await go_on.wait()
            return await self._real.__aexit__(*error)

    database.write = Held  # type: ignore[method-assign, assignment]
    try:
        late = make(version=2, key_version=1) if kind == "replace" else make(key_version=1)
        keeping = asyncio.create_task(getattr(Slow(database, "local"), kind)(late))
        await looked.wait()
        retiring = asyncio.create_task(in_thread(place.retire, PARSER, 2))
        await asyncio.sleep(0.3)
        assert not retiring.done(), "it did not wait"
        go_on.set()
        await keeping
    finally:
        database.write = real  # type: ignore[method-assign]
    assert not await retiring
    assert await records.by_id(make().id) == late


async def test_many_write_while_a_mark_moves(place: DatabaseSealedPlace, records: DatabaseProjects) -> None:
    """Whatever the order, nothing that is kept lies below the mark."""
    await records.add(make(key_version=1))
    marks, written = threading.Event(), threading.Event()

    def rotate() -> None:
        for below in range(2, 22):
            written.clear()
            assert written.wait(30)
            while True:
                for old in place.sealed_of(PARSER):
                    if old.key_version < below:
                        place.reseal(old, replace(old, key_version=below))
                if place.retire(PARSER, below):
                    break
        marks.set()

    async def write() -> None:
        while not marks.is_set():
            found = await records.by_id(make().id)
            assert found is not None
            stale = key_of(found).key_version
            next_key = make(version=found.sealed_key.version + 1, key_version=stale)
            try:
                await records.replace(next_key)
                written.set()
            except (RetiredKey, UsageError):
                continue

    rotating = asyncio.create_task(in_thread(rotate))
    await asyncio.gather(write(), write())
    await rotating
    (last,) = place.sealed_of(PARSER)
    assert last.key_version >= 21


async def test_a_database_that_is_not_there_is_not_passed_over(tmp_path: Path) -> None:
    place = DatabaseSealedPlace(f"sqlite:///{tmp_path}/server.db")
    for call in (
        lambda: list(place.sealed_of(PARSER)),
        lambda: place.retire(PARSER, 2),
        lambda: place.reseal(key_of(make()), key_of(make())),
    ):
        with pytest.raises(UsageError, match="is not there") as told:
            call()
        assert "would be lost" in told.value.details
    assert not (tmp_path / "server.db").exists()


async def test_nor_one_without_tables(database_url: str) -> None:
    async with open_database(database_url):
        pass
    with pytest.raises(UsageError, match="has no tables"):
        list(DatabaseSealedPlace(database_url).sealed_of(PARSER))


async def test_a_server_that_does_not_answer_is_not_passed_over(tmp_path: Path) -> None:
    place = DatabaseSealedPlace(f"postgresql://sealock@/none?host={tmp_path}")
    with pytest.raises(TemporaryError, match="cannot be reached"):
        place.retire(PARSER, 2)


async def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path}/server.db") as database:
        await upgrade(database)
        (tmp_path / "server.db").chmod(0o644)
        with pytest.raises(PermanentError, match="others may read"):
            list(DatabaseSealedPlace(f"sqlite:///{tmp_path}/server.db").sealed_of(PARSER))


async def test_a_writer_that_holds_on_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite has one writer: who waits too long is told to try again, and nothing is half done."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.2)
    url = f"sqlite:///{tmp_path}/server.db"
    async with open_database(url) as database:
        await upgrade(database)
        records, place = DatabaseProjects(database, "local"), DatabaseSealedPlace(url)
        await records.add(make())
        (old,) = place.sealed_of(PARSER)
        async with database.write():
            with pytest.raises(TemporaryError, match="held by somebody else"):
                await in_thread(place.reseal, old, replace(old, key_version=2))
        assert await records.get("parser") == make()
        assert place.reseal(old, replace(old, key_version=2))
