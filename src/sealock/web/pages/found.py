"""Finds what an address names, in the account of who asks. What is another account's is not there: 404."""

from __future__ import annotations

import re

from fastapi import HTTPException, Request

from sealock.core.project import Project
from sealock.web.pages.frame import Viewer
from sealock.web.ports import ServicePorts, WebPorts

_ID = re.compile(r"[0-9a-f]{32}")


def service_of(request: Request) -> ServicePorts:
    """What pages work on."""
    ports: WebPorts = request.app.state.ports
    assert ports.service is not None, "pages are there only with what they work on"
    return ports.service


async def project_for(request: Request, asker: Viewer, project: str) -> Project:
    """The project of that id; 404."""
    if _ID.fullmatch(project):
        try:
            return await service_of(request).projects.get(asker.account, project)
        except LookupError:
            pass
    raise HTTPException(404, "There is no such project.")
