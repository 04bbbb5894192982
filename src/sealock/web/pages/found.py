"""Finds what an address names, in the account of who asks. What is another account's is not there: 404."""

from __future__ import annotations

import re

from fastapi import HTTPException, Request

from sealock.core.project import Project
from sealock.web.asking import service_of
from sealock.web.pages.frame import Viewer

_ID = re.compile(r"[0-9a-f]{32}")


async def project_for(request: Request, asker: Viewer, project: str) -> Project:
    """The project of that id; 404."""
    if _ID.fullmatch(project):
        try:
            return await service_of(request).projects.get(asker.account, project)
        except LookupError:
            pass
    raise HTTPException(404, "There is no such project.")
