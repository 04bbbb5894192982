"""Runs the migrations on an open database."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from sealock.core.errors import PermanentError, UsageError
from sealock.store.database.engine import Database

HEAD = "head"
BASE = "base"
VERSION_TABLE = "alembic_version"
"""Alembic's own, where it notes the revision."""

_LOCK = 0x5EA10C
"""PostgreSQL's advisory lock under which tables are changed; any number that is always the same."""


async def upgrade(database: Database, revision: str = HEAD) -> None:
    """Bring the tables to `revision`, which may be where they are. UsageError if a newer Sealock made
    them."""
    await _alone(database, revision, down=False)


async def downgrade(database: Database, revision: str) -> None:
    """Bring the tables back to `revision`; what older ones have no place for is lost. UsageError if a
    newer Sealock made them."""
    await _alone(database, revision, down=True)


async def current(database: Database) -> str | None:
    """The revision the tables are at; None if there are none."""
    async with database.read() as connection:
        return await connection.run_sync(revision_of)


def revision_of(connection: Connection) -> str | None:
    """The same, within a transaction."""
    return MigrationContext.configure(connection).get_current_revision()


async def _alone(database: Database, revision: str, *, down: bool) -> None:
    async with database.write(schema=True) as connection:
        await connection.run_sync(migrate, revision, down=down)


def migrate(connection: Connection, revision: str, *, down: bool = False) -> None:
    """Do it within the transaction of `connection`, from `Database.write(schema=True)`."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = configuration()
    config.attributes["connection"] = connection
    _refuse_newer(revision_of(connection))
    (command.downgrade if down else command.upgrade)(config, revision)
    _refuse_orphans(connection)


def configuration() -> Config:
    """Alembic's, without a file."""
    config = Config()
    # A percent sign in a path would be taken for a reference to another option.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    return config


def is_known(revision: str) -> bool:
    """Whether this version of Sealock has the step to that revision."""
    steps = ScriptDirectory.from_config(configuration()).walk_revisions()
    return revision in {step.revision for step in steps}


def _refuse_newer(revision: str | None) -> None:
    if revision is not None and not is_known(revision):
        raise UsageError(
            f"the database is at {revision[:40]!r}, which this version of Sealock does not know",
            details="A newer Sealock has changed it.",
            resolution="Install that version again, or restore a backup from before.",
        )


def _refuse_orphans(connection: Connection) -> None:
    """SQLite does not watch references while its tables are made anew: look at them afterwards."""
    if connection.dialect.name == "sqlite":
        orphans = connection.execute(text("PRAGMA foreign_key_check")).all()
        if orphans:
            raise PermanentError(
                f"the migration was undone: {len(orphans)} rows would refer to rows that are not there",
                details=", ".join(sorted({str(row[0]) for row in orphans})),
                resolution="Report this, with the versions before and after.",
            )
