"""Projects in the database, each with its sealed key (`core.project_records.ProjectRecords`)."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from sqlalchemy import Row, Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from sealock.core.errors import PermanentError, UsageError
from sealock.core.project import PROJECT_NAME, Project, ssh_key_name
from sealock.core.project_settings import ProjectSettings
from sealock.core.sealed import Sealed
from sealock.core.source import GitAddress
from sealock.store.database.engine import Database
from sealock.store.database.kept_tables import retired_keys
from sealock.store.database.metadata import milliseconds, seconds, storable
from sealock.store.database.project_settings import decode, encode
from sealock.store.database.retired import refuse_retired
from sealock.store.database.tables import projects


class DatabaseProjects:
    """The projects of one account, which is there. account: its id."""

    def __init__(self, database: Database, account: str) -> None:
        self._database, self._account = database, account

    async def add(self, project: Project) -> None:
        """Keep a new project. UsageError if its name or address is taken."""
        values = {**_values(project), "id": project.id, "account": self._account}
        try:
            async with self._database.write() as connection:
                await connection.run_sync(refuse_retired, _sealed(project))
                await connection.execute(insert(projects).values(values))
        except IntegrityError as error:
            raise await self._taken(project, error) from error

    async def replace(self, project: Project) -> None:
        """Keep a changed project (same id and name). UsageError if it is not there, or its key is neither
        the one that is kept nor the next; RetiredKey if it is sealed to a key that was rotated away."""
        new = _values(project)
        async with self._database.write() as connection:
            mine = self._mine(projects.c.name == project.name).with_for_update()
            row = (await connection.execute(mine)).one_or_none()
            if row is None or row.id != project.id:
                raise _changed(project.name)
            same = all(new[name] == getattr(row, name) for name in KEY)
            if not same and new["key_version"] != row.key_version + 1:
                raise _changed(project.name)
            await connection.run_sync(refuse_retired, _sealed(project))
            await connection.execute(update(projects).where(projects.c.id == project.id).values(new))

    async def get(self, name: str) -> Project:
        """The project of that name. UsageError, naming near matches, if there is none."""
        found = await self._one(projects.c.name == name) if PROJECT_NAME.fullmatch(name) else None
        if found is not None:
            return found
        near = difflib.get_close_matches(name, [project.name for project in await self.all()], n=3)
        raise UsageError(
            f"there is no project {name[:63]!r}",
            details=f"Did you mean {' or '.join(near)}?" if near else "",
            resolution="The list of projects shows every one.",
        )

    async def by_id(self, project: str) -> Project | None:
        """The project of that id, if this account has it."""
        return await self._one(projects.c.id == project) if storable(project) else None

    async def for_address(self, address: GitAddress) -> Project | None:
        """The project that builds this repository, if there is one."""
        return await self._one(
            *(projects.c[f"address_{part}"] == value for part, value in vars(address).items())
        )

    async def all(self) -> list[Project]:
        """Every project, by name."""
        async with self._database.read() as connection:
            found = [project_of(row) for row in await connection.execute(self._mine())]
        return sorted(found, key=lambda project: project.name)  # the databases order texts differently

    async def settings(self, project: str) -> ProjectSettings | None:
        """What the people of the project of that id decided; None if there is none."""
        if not storable(project):
            return None
        async with self._database.read() as connection:
            found = (await connection.execute(self._mine(projects.c.id == project))).one_or_none()
        return None if found is None else decode(found.settings)

    async def change_settings(
        self, project: str, change: Callable[[ProjectSettings], ProjectSettings]
    ) -> ProjectSettings | None:
        """Put what `change` makes of its settings in their place; nobody changes them in between. What they
        are now; None if there is no project of that id."""
        if not storable(project):
            return None
        mine = self._mine(projects.c.id == project).with_for_update()
        async with self._database.write() as connection:
            found = (await connection.execute(mine)).one_or_none()
            if found is None:
                return None
            changed = change(decode(found.settings))
            values = {"settings": encode(changed)}
            await connection.execute(update(projects).where(projects.c.id == project).values(values))
        return changed

    async def remove(self, name: str) -> None:
        """Forget the project, its sealed key and its builds. UsageError if there is none of that name."""
        await self.forget((await self.get(name)).id)

    async def forget(self, project: str) -> bool:
        """As `remove`, the project of that id: another that has its name by now stays. False if there is
        none."""
        mine = (projects.c.account == self._account, projects.c.id == project)
        async with self._database.write() as connection:
            if (await connection.execute(delete(projects).where(*mine))).rowcount == 0:
                return False
            await connection.execute(delete(retired_keys).where(retired_keys.c.project == project))
        return True

    def _mine(self, *conditions: Any) -> Select[Any]:
        return select(projects).where(projects.c.account == self._account, *conditions)

    async def _one(self, *conditions: Any) -> Project | None:
        async with self._database.read() as connection:
            row = (await connection.execute(self._mine(*conditions))).one_or_none()
        return None if row is None else project_of(row)

    async def _taken(self, project: Project, error: IntegrityError) -> Exception:
        other = await self._one(projects.c.name == project.name)
        if other is not None:
            return UsageError(
                f"there is a project {project.name} already",
                details=f"It builds {other.address}.",
                resolution="Choose another name, or remove that one first.",
            )
        other = await self.for_address(project.address)
        if other is None:
            return error
        return UsageError(
            f"{project.address} is built by the project {other.name} already",
            resolution="Look at that one, or remove it first.",
        )


KEY = ("key_version", "key_set_version", "key_suite", "key_data", "key_created_at")


def _sealed(project: Project) -> Sealed:
    sealed = project.sealed_key
    if not isinstance(sealed, Sealed):
        raise UsageError(
            f"the key of the project {project.name} is sealed in an old way",
            resolution="Run `sealock keys rotate` first.",
        )
    if sealed.name != ssh_key_name(project.id, project.name, sealed.version):
        raise PermanentError(
            f"the project {project.name[:63]!r} cannot be kept",
            details="Its key is sealed under another name than the project's.",
        )
    return sealed


def key_values(sealed: Sealed) -> dict[str, Any]:
    """What a project's row has of its key."""
    return {
        "key_version": sealed.version,
        "key_set_version": sealed.key_version,
        "key_suite": sealed.suite,
        "key_data": sealed.data,
        "key_created_at": milliseconds(sealed.created_at),
    }


def _values(project: Project) -> dict[str, Any]:
    return {
        "name": project.name,
        **{f"address_{part}": value for part, value in vars(project.address).items()},
        "host_keys": list(project.host_keys),
        "public_key": project.public_key,
        **key_values(_sealed(project)),
        "created_at": milliseconds(project.created_at),
    }


def project_of(row: Row[Any]) -> Project:
    """The project of a whole row."""
    name = ssh_key_name(row.id, row.name, row.key_version)
    return Project(
        id=row.id,
        name=row.name,
        address=GitAddress(row.address_user, row.address_host, row.address_port, row.address_path),
        host_keys=tuple(row.host_keys),
        public_key=row.public_key,
        sealed_key=Sealed(
            name, row.key_set_version, row.key_suite, row.key_data, seconds(row.key_created_at)
        ),
        created_at=seconds(row.created_at),
    )


def _changed(name: str) -> UsageError:
    return UsageError(
        f"the project {name} was changed by somebody else meanwhile",
        resolution="Look at it, and try again if it is still needed.",
    )
