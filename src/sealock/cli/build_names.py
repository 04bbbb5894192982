"""Which build is meant: its id, `PROJECT#NUMBER`, or `PROJECT` for its latest."""

from __future__ import annotations

import re
from typing import Any

from sealock.cli.api import Api
from sealock.cli.api_errors import NotFound
from sealock.core.errors import UsageError

BUILD_ID = re.compile(r"[0-9a-f]{32}")
NUMBERED = re.compile(r"(.+)#([1-9][0-9]{0,8})")


async def find_build(api: Api, named: str) -> dict[str, Any]:
    """The build, as the API has it in lists or alone. UsageError if there is none of that name."""
    if BUILD_ID.fullmatch(named):
        found = await api.get("builds", named)
        assert isinstance(found, dict)
        return found
    numbered = NUMBERED.fullmatch(named)
    found = await _numbered(api, numbered[1], numbered[2]) if numbered else await latest_build(api, named)
    if found is None:
        raise UsageError(
            f"There is no build {named!r}",
            resolution="Name one by its id, as PROJECT#NUMBER, or its project for the latest: "
            "sealock builds list",
        )
    return found


async def latest_build(api: Api, project: str) -> dict[str, Any] | None:
    """The newest of a project. UsageError if there is no such project."""
    try:
        page = await api.get("builds", query={"project": project, "limit": 1})
    except NotFound as error:
        raise NotFound(
            f"There is no project {project!r}", resolution="`sealock projects list` lists them."
        ) from error
    return page["items"][0] if page["items"] else None


async def _numbered(api: Api, project: str, number: str) -> dict[str, Any] | None:
    try:
        found = await api.get("projects", project, "builds", number)
    except NotFound:
        return None
    assert isinstance(found, dict)
    return found
