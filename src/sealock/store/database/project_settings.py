"""A project's settings as its row has them: a document with what is not the default, so that a setting that
comes later has its default in every project."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sealock.core.errors import PermanentError
from sealock.core.project_settings import ProjectSettings
from sealock.core.queue import Supersede

_LISTS = frozenset({"protected", "labels", "one_at_a_time"})


def encode(settings: ProjectSettings) -> dict[str, Any]:
    """As JSON can have it."""
    default = ProjectSettings()
    found = {each.name: getattr(settings, each.name) for each in fields(ProjectSettings)}
    return {
        name: list(value) if name in _LISTS else value
        for name, value in found.items()
        if value != getattr(default, name)
    }


def decode(document: dict[str, Any]) -> ProjectSettings:
    """The settings of a row. PermanentError if a newer Sealock, or somebody else, wrote them."""
    try:
        found: dict[str, Any] = {
            name: tuple(value) if name in _LISTS else value for name, value in document.items()
        }
        if "supersede" in found:
            found["supersede"] = Supersede(found["supersede"])
        return ProjectSettings(**found)
    except (TypeError, ValueError, AttributeError) as error:
        raise PermanentError(
            "a project's settings cannot be read",
            details=str(error)[:200],
            resolution="Restore the database from its backup, or use the version of Sealock that wrote them.",
        ) from error
