"""Finds what a path names, in the account of who asks. What is another account's is not there."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Path

from sealock.core.builds import BuildView
from sealock.core.project import PROJECT_NAME, Project
from sealock.web.api.errors import missing
from sealock.web.asking import Asker
from sealock.web.ports import ServicePorts

_ID = re.compile(r"[0-9a-f]{32}")

ProjectPath = Annotated[str, Path(max_length=100, description="A project's id or name.")]
BuildPath = Annotated[str, Path(max_length=100, description="A build's id.")]


async def project_of(service: ServicePorts, asker: Asker, given: str) -> Project:
    """The project of that id or name; 404."""
    if _ID.fullmatch(given):
        try:
            return await service.projects.get(asker.account, given)
        except LookupError:
            pass  # a name may look like an id
    if PROJECT_NAME.fullmatch(given):
        try:
            return await service.projects.named(asker.account, given)
        except LookupError as error:
            raise missing("project") from error
    raise missing("project")


async def build_of(service: ServicePorts, asker: Asker, given: str) -> BuildView:
    """The build of that id, with its steps; 404."""
    build = await service.builds.get(asker.account, given) if _ID.fullmatch(given) else None
    if build is None:
        raise missing("build")
    return build
