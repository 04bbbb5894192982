"""A project's badge: where it is, and a new address for it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from sealock.core.access import Permission
from sealock.web.api.errors import found
from sealock.web.api.found import ProjectPath, project_of
from sealock.web.api.once import IdempotencyKey, once
from sealock.web.api.shapes import Told
from sealock.web.asking import Asker, Asks, service_of
from sealock.web.badges import BadgeTold, badge_told

router = APIRouter(tags=["projects"])

Reader = Annotated[Asker, Depends(Asks(Permission.PROJECTS_READ))]
Writer = Annotated[Asker, Depends(Asks(Permission.PROJECTS_WRITE))]


class Badge(Told):
    """A picture of how a branch stands, for whoever has its address: `?branch=NAME` behind it for another
    than the default one. markdown: for a README."""

    url: str
    markdown: str

    @staticmethod
    def of(told: BadgeTold) -> Badge:
        return Badge(url=told.url, markdown=told.markdown)


@router.get("/projects/{project}/badge")
async def show_badge(request: Request, project: ProjectPath, asker: Reader) -> Badge:
    """Where the project's badge is."""
    record = await project_of(service_of(request), asker, project)
    with found("project"):
        settings = await service_of(request).projects.settings(asker.account, record.id)
    return Badge.of(badge_told(request, record, settings.badge_version))


@router.post("/projects/{project}/badge", status_code=201, response_model=Badge)
async def reset_badge(
    request: Request, project: ProjectPath, asker: Writer, key: IdempotencyKey = None
) -> Response:
    """A new address for the badge; the old one shows nothing any more."""
    record = await project_of(service_of(request), asker, project)

    async def make() -> Told:
        with found("project"):
            settings = await service_of(request).projects.reset_badge(asker.account, record.id)
        return Badge.of(badge_told(request, record, settings.badge_version))

    return await once(request, asker, key, make)
