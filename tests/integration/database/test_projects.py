"""Projects in both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import func, insert, select, update

from sealock.core.errors import PermanentError, UsageError
from sealock.core.project import Project, SealedKey, ssh_key_name
from sealock.core.project_records import ProjectRecords
from sealock.core.project_settings import ProjectSettings
from sealock.core.queue import Supersede
from sealock.core.sealed import RetiredKey, Sealed
from sealock.core.source import GitAddress
from sealock.store.database.engine import Database
from sealock.store.database.projects import DatabaseProjects
from sealock.store.database.schema import metadata

pytestmark = pytest.mark.anyio


@pytest.fixture
def records(database: Database) -> ProjectRecords:
    return DatabaseProjects(database, "local")


def make(name: str = "parser", number: int = 1, version: int = 1, key_version: int = 1) -> Project:
    sealed_name = ssh_key_name(f"{number:032x}", name, version)
    return Project(
        id=f"{number:032x}",
        name=name,
        address=GitAddress("git", "git.example.org", 22, f"/team/{name}.git"),
        host_keys=("ssh-ed25519 AAAA", "ecdsa-sha2-nistp256 BBBB"),
        public_key=f"ssh-ed25519 CCCC{version} sealock:{name}",
        sealed_key=Sealed(sealed_name, key_version, "a-suite", b"data\0\xff", 1_760_000_000.5),
        created_at=1_760_000_000.25,
    )


async def test_a_project_comes_back_as_it_was(records: ProjectRecords) -> None:
    await records.add(make())
    assert await records.get("parser") == make()
    assert await records.for_address(make().address) == make()
    assert await records.for_address(replace(make().address, port=2222)) is None
    await records.add(make("Zoo".lower(), 2))
    await records.add(make("a-b", 3))
    assert [project.name for project in await records.all()] == ["a-b", "parser", "zoo"]


async def test_a_name_and_an_address_are_taken_once(records: ProjectRecords) -> None:
    await records.add(make())
    with pytest.raises(UsageError, match="there is a project parser already"):
        await records.add(make(number=2))
    with pytest.raises(UsageError, match="is built by the project parser already"):
        await records.add(replace(make("other", 2), address=make().address))
    assert await records.all() == [make()]


async def test_of_many_at_once_one_takes_the_name(records: ProjectRecords) -> None:
    adding = (records.add(make(number=number)) for number in range(1, 9))
    results = await asyncio.gather(*adding, return_exceptions=True)
    assert sum(result is None for result in results) == 1
    assert all(result is None or isinstance(result, UsageError) for result in results)


async def test_another_accounts_projects_are_not_there(records: ProjectRecords, database: Database) -> None:
    async with database.write() as connection:
        other = {"id": "other", "name": "Other", "created_at": 1}
        await connection.execute(insert(metadata.tables["accounts"]).values(other))
    others = DatabaseProjects(database, "other")
    await records.add(make())
    assert await others.all() == []
    assert await others.for_address(make().address) is None
    assert await others.by_id(make().id) is None
    assert await others.settings(make().id) is None
    assert await others.change_settings(make().id, lambda old: replace(old, priority=9)) is None
    assert await records.settings(make().id) == ProjectSettings()
    for attempt in (others.get("parser"), others.remove("parser"), others.replace(make(version=2))):
        with pytest.raises(UsageError):
            await attempt
    await others.add(make(number=2))
    assert await records.all() == [make()]


async def test_a_near_name_is_told(records: ProjectRecords) -> None:
    await records.add(make())
    with pytest.raises(UsageError, match="no project 'parsre'") as told:
        await records.get("parsre")
    assert "parser" in told.value.details
    with pytest.raises(UsageError, match="no project"):
        await records.get("../\0")


async def test_the_next_key_takes_the_place_of_the_one_before(records: ProjectRecords) -> None:
    await records.add(make())
    await records.replace(make(version=2))
    assert await records.get("parser") == make(version=2)
    for stale in (make(version=2, key_version=2), make(version=4), make(version=1), make("other", 9)):
        with pytest.raises(UsageError, match="changed by somebody else"):
            await records.replace(stale)
    await records.replace(replace(make(version=2), host_keys=("ssh-ed25519 DDDD",)))
    assert (await records.get("parser")).host_keys == ("ssh-ed25519 DDDD",)


async def test_of_two_resets_at_once_one_is_kept(records: ProjectRecords) -> None:
    await records.add(make())
    resets = [replace(make(version=2), public_key=f"ssh-ed25519 {n}") for n in range(6)]
    sealed = [make(version=2).sealed_key for _ in resets]
    assert all(isinstance(one, Sealed) for one in sealed)
    changed = [
        replace(reset, sealed_key=replace(one, data=bytes([n])))
        for n, (reset, one) in enumerate(zip(resets, sealed, strict=True))
        if isinstance(one, Sealed)
    ]
    results = await asyncio.gather(*map(records.replace, changed), return_exceptions=True)
    assert sum(result is None for result in results) == 1
    kept = await records.get("parser")
    assert kept in changed  # its two halves are of one reset


async def test_a_key_sealed_to_a_retired_version_is_refused(
    records: ProjectRecords, database: Database
) -> None:
    async with database.write() as connection:
        mark = {"account": "local", "project": make().id, "below": 3}
        await connection.execute(insert(metadata.tables["retired_keys"]).values(mark))
    with pytest.raises(RetiredKey):
        await records.add(make(key_version=2))
    await records.add(make(key_version=3))
    with pytest.raises(RetiredKey):
        await records.replace(make(version=2, key_version=2))


async def test_what_could_not_be_opened_again_is_not_kept(records: ProjectRecords) -> None:
    old = SealedKey(1, "algorithm", "0123456789abcdef", "bg==", "dw==", "bg==", "Yw==")
    with pytest.raises(UsageError, match="sealed in an old way"):
        await records.add(replace(make(), sealed_key=old))
    with pytest.raises(PermanentError, match="cannot be kept"):
        await records.add(replace(make(), sealed_key=make("other").sealed_key))
    assert await records.all() == []


async def test_a_project_takes_its_builds_with_it(records: ProjectRecords, database: Database) -> None:
    await records.add(make())
    builds = metadata.tables["builds"]
    of_it = {"account": "local", "project": make().id, "trigger": "push", "state": "queued"}
    async with database.write() as connection:
        await connection.execute(insert(builds).values(**of_it, id="b1", number=1, created_at=1))
    await records.remove("parser")
    async with database.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(builds))).scalar() == 0
    with pytest.raises(UsageError, match="no project"):
        await records.remove("parser")


async def test_a_project_is_forgotten_by_its_id(records: ProjectRecords, database: Database) -> None:
    await records.add(make())
    assert not await DatabaseProjects(database, "other").forget(make().id)
    assert await records.forget(make().id)
    await records.add(make(number=2))  # the name is free again
    assert not await records.forget(make().id)
    assert await records.all() == [make(number=2)]


async def test_settings_come_back_as_they_were(records: ProjectRecords) -> None:
    await records.add(make())
    assert await records.settings(make().id) == ProjectSettings()
    settings = ProjectSettings(
        default_branch="trunk",
        protected=("trunk", "release/1"),
        image="python",
        supersede=Supersede.RUNNING,
        max_running=0,
        priority=-7,
        labels=("arm",),
        one_at_a_time=("trunk",),
        hook_version=4,
        hook_changed_at=1_760_000_000.25,
    )
    assert await records.change_settings(make().id, lambda _: settings) == settings
    assert await records.settings(make().id) == settings
    assert await records.by_id(make().id) == make()
    for nobody in ("0" * 32, "a\0b", "\ud800"):
        assert await records.by_id(nobody) is None
        assert await records.settings(nobody) is None
        assert await records.change_settings(nobody, lambda old: old) is None


async def test_of_many_changes_at_once_none_is_lost(records: ProjectRecords) -> None:
    await records.add(make())
    one_more = [
        records.change_settings(make().id, lambda old: replace(old, hook_version=old.hook_version + 1))
        for _ in range(8)
    ]
    await asyncio.gather(*one_more)
    found = await records.settings(make().id)
    assert found is not None
    assert found.hook_version == 9


async def test_settings_nobody_here_wrote_are_refused(records: ProjectRecords, database: Database) -> None:
    await records.add(make())
    table = metadata.tables["projects"]
    for strange in ({"supersede": "everything"}, {"later": 1}, {"labels": 3}, [1]):
        async with database.write() as connection:
            await connection.execute(update(table).values(settings=strange))
        with pytest.raises(PermanentError, match="settings cannot be read"):
            await records.settings(make().id)
