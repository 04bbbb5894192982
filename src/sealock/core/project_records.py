"""The port of `core.project.Projects` for a place that has to be waited for, such as a database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sealock.core.project import Project
from sealock.core.project_settings import ProjectSettings
from sealock.core.source import GitAddress


@dataclass(frozen=True)
class Owned:
    """A project with whose it is: an account's id."""

    account: str
    project: Project
    settings: ProjectSettings


class AllProjects(Protocol):
    """Every account's projects, for who knows nothing but a project's id, such as a hook."""

    async def owned(self, project: str) -> Owned | None:
        """The project of that id."""
        ...


class ProjectRecords(Protocol):
    """Where one account's projects are kept. Each call is one transaction."""

    async def add(self, project: Project) -> None:
        """Keep a new project. UsageError if its name or address is taken."""
        ...

    async def replace(self, project: Project) -> None:
        """Keep a changed project (same id and name). UsageError if it is not there, or its key is neither
        the one that is kept nor the next; RetiredKey if it is sealed to a key that was rotated away."""
        ...

    async def get(self, name: str) -> Project:
        """The project of that name. UsageError, naming near matches, if there is none."""
        ...

    async def by_id(self, project: str) -> Project | None:
        """The project of that id, if this account has it."""
        ...

    async def for_address(self, address: GitAddress) -> Project | None:
        """The project that builds this repository, if there is one."""
        ...

    async def all(self) -> list[Project]:
        """Every project, by name."""
        ...

    async def settings(self, project: str) -> ProjectSettings | None:
        """What the people of the project of that id decided; None if there is none."""
        ...

    async def change_settings(
        self, project: str, change: Callable[[ProjectSettings], ProjectSettings]
    ) -> ProjectSettings | None:
        """Put what `change` makes of its settings in their place; nobody changes them in between. What they
        are now; None if there is no project of that id."""
        ...

    async def remove(self, name: str) -> None:
        """Forget the project, its sealed key and its builds. UsageError if there is none of that name."""
        ...

    async def forget(self, project: str) -> bool:
        """As `remove`, the project of that id: another that has its name by now stays. False if there is
        none."""
        ...
