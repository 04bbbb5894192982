"""Migrations on both databases: with data, there and back, cut short, two at once, and against the models."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from alembic.ddl.impl import DefaultImpl
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, inspect, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from sealock.core.errors import PermanentError, UsageError
from sealock.store.database.engine import Database, open_database
from sealock.store.database.migrations import BASE, current, downgrade, upgrade
from sealock.store.database.migrations.compare import differences
from sealock.store.database.migrations.run import configuration
from sealock.store.database.schema import metadata
from tests.support.database import fill, only, rows

pytestmark = pytest.mark.anyio
REVISIONS = [script.revision for script in ScriptDirectory.from_config(configuration()).walk_revisions()][
    ::-1
]


def checks(connection: Connection) -> dict[str, Any]:
    """Every check, by table and name; each database spells them its own way, the same way every time."""
    inspector = inspect(connection)
    return {
        f"{table}.{check['name']}": re.sub(r"\s+", " ", check["sqltext"])
        for table in metadata.tables
        for check in inspector.get_check_constraints(table)
    }


async def test_the_migrations_make_what_the_models_say(database: Database) -> None:
    async with database.read() as connection:
        assert await connection.run_sync(differences) == []
        migrated = await connection.run_sync(checks)
    async with database.write() as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
    async with database.read() as connection:
        assert await connection.run_sync(checks) == migrated
    assert len(migrated) > 100


async def test_the_comparison_sees_a_difference(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(text("ALTER TABLE builds ADD COLUMN colour VARCHAR(10)"))
        await connection.execute(text("DROP INDEX ix_builds_account_place"))
    async with database.read() as connection:
        found = await connection.run_sync(differences)
    assert {difference[0] for difference in found} == {"remove_column", "add_index"}


def columns_in(found: dict[str, Any]) -> int:
    """Of all tables together; each has a row."""
    return sum(len(of_table[0]) for of_table in found.values())


async def test_each_step_back_and_forth_keeps_every_table_that_stays(database: Database) -> None:
    await fill(database)
    before = kept = await rows(database)
    assert all(before.values()), "every table has a row"
    for revision in reversed(REVISIONS[:-1]):
        wider = columns_in(kept)
        await downgrade(database, revision)
        kept = await rows(database)
        assert kept == only(before, kept)
        assert columns_in(kept) < wider, "a step that takes nothing back"
    await upgrade(database)
    after = await rows(database)
    assert {name for name, found in after.items() if found} == set(kept)
    assert only(after, kept) == kept
    assert not any(after[name] for name in after.keys() - kept.keys())
    async with database.read() as connection:
        assert await connection.run_sync(differences) == []


async def test_all_the_way_back_leaves_nothing(database: Database) -> None:
    await downgrade(database, BASE)
    async with database.read() as connection:
        left = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert left == ["alembic_version"]
    assert await current(database) is None
    await upgrade(database)
    assert await current(database) == REVISIONS[-1]


async def test_an_up_to_date_database_is_left_as_it_is(database: Database) -> None:
    await fill(database)
    before = await rows(database)
    await upgrade(database)
    assert await rows(database) == before


async def test_a_database_of_a_newer_version_is_refused_untouched(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for attempt in (upgrade(database), downgrade(database, REVISIONS[0])):
        with pytest.raises(UsageError, match="'9999', which this version of Sealock does not know"):
            await attempt
    assert await current(database) == "9999"


async def test_a_step_that_fails_half_way_is_undone(database_url: str, monkeypatch: Any) -> None:
    async with open_database(database_url) as database:
        await upgrade(database, REVISIONS[0])
        await fill(database)
        before = await rows(database)
        monkeypatch.setattr("alembic.ddl.impl.DefaultImpl.create_table", _third_fails())
        with pytest.raises(ZeroDivisionError):
            await upgrade(database)
        assert await rows(database) == before
        assert await current(database) == REVISIONS[0]
        monkeypatch.undo()
        await upgrade(database)
        assert await current(database) == REVISIONS[-1]


def _third_fails() -> Any:
    real, calls = DefaultImpl.create_table, iter(range(100))

    def create(self: DefaultImpl, table: Any, **options: Any) -> None:
        if next(calls) == 2:
            raise ZeroDivisionError
        real(self, table, **options)

    return create


async def test_two_servers_that_migrate_at_once_both_come_up(postgres: Any) -> None:
    with postgres.database() as url:
        async with open_database(url) as one, open_database(url) as other, asyncio.timeout(60):
            for _ in range(3):
                await asyncio.gather(upgrade(one), upgrade(other), upgrade(one), upgrade(other))
                assert await current(one) == REVISIONS[-1]
                await downgrade(one, BASE)


STEP = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "9999", {last!r}, None, None

def upgrade():
    with op.batch_alter_table("accounts") as batch:
        batch.add_column(sa.Column("plan", sa.String(20), nullable=False, server_default="free"))
        batch.create_check_constraint(op.f("ck_accounts_plan_known"), "plan IN ('free', 'paid')")
    {more}

def downgrade():
    with op.batch_alter_table("accounts") as batch:
        batch.drop_constraint(op.f("ck_accounts_plan_known"), type_="check")
        batch.drop_column("plan")
"""


@pytest.fixture
def next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Adds a step of a later version, which makes the table everything refers to anew."""

    def add(more: str = "pass") -> None:
        (tmp_path / "next").mkdir()
        (tmp_path / "next/v9999.py").write_text(STEP.format(last=REVISIONS[-1], more=more))

        def with_next() -> Any:
            config = configuration()
            ours = Path(ScriptDirectory.from_config(config).versions)
            config.set_main_option("version_locations", f"{ours}\n{tmp_path / 'next'}")
            return config

        monkeypatch.setattr("sealock.store.database.migrations.run.configuration", with_next)

    return add


async def test_a_table_that_is_made_anew_takes_nothing_with_it(database: Database, next_step: Any) -> None:
    """SQLite drops the old table; were references watched, its builds and projects would go with it."""
    await fill(database)
    before = await rows(database)
    next_step()
    await upgrade(database)
    during = await rows(database)
    assert [row.pop("plan") for row in during["accounts"]] == ["free"] * len(before["accounts"])
    assert during == before
    await downgrade(database, REVISIONS[-1])
    assert await rows(database) == before
    with pytest.raises(IntegrityError):  # watched again afterwards
        await _orphan(database)


async def _orphan(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(update(metadata.tables["builds"]).values(account="nobody"))


async def test_a_step_that_leaves_orphans_is_undone(database: Database, next_step: Any) -> None:
    await fill(database)
    before = await rows(database)
    next_step("op.execute(\"DELETE FROM accounts WHERE id = 'local'\")")
    if database.is_sqlite:
        with pytest.raises(PermanentError, match="rows would refer to rows that are not there"):
            await upgrade(database)
        assert await rows(database) == before
    else:  # PostgreSQL watches, and deletes what belongs to the account, as it should
        await upgrade(database)
        assert (await rows(database))["projects"] == []


async def test_the_account_of_an_installation_without_accounts_is_there(database: Database) -> None:
    accounts = metadata.tables["accounts"]
    async with database.read() as connection:
        assert [row.id for row in await connection.execute(select(accounts))] == ["local"]
    async with database.write() as connection:
        await _another(connection)
    async with database.read() as connection:
        assert len((await connection.execute(select(accounts))).all()) == 2


async def _another(connection: AsyncConnection) -> None:
    values = {"id": "other", "name": "Other", "created_at": 1}
    await connection.execute(insert(metadata.tables["accounts"]).values(values))
