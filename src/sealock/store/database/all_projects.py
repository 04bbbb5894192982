"""The projects of every account (`core.project_records.AllProjects`)."""

from __future__ import annotations

from sqlalchemy import select

from sealock.core.project_records import Owned
from sealock.store.database.engine import Database
from sealock.store.database.metadata import storable
from sealock.store.database.project_settings import decode
from sealock.store.database.projects import project_of
from sealock.store.database.tables import projects


class DatabaseAllProjects:
    """An `AllProjects`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def owned(self, project: str) -> Owned | None:
        """The project of that id."""
        if not storable(project):
            return None
        async with self._database.read() as connection:
            row = (await connection.execute(select(projects).where(projects.c.id == project))).one_or_none()
        return None if row is None else Owned(row.account, project_of(row), decode(row.settings))
