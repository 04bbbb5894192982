"""Builds: started, restarted, cancelled."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from sealock.core.access import Permission
from sealock.web.api.errors import conflict, found, naming
from sealock.web.api.found import BuildPath, ProjectPath, build_of, project_of
from sealock.web.api.once import IdempotencyKey, delivery_of, once
from sealock.web.api.secrets import Pipelines
from sealock.web.api.shapes import Given, Told, WholeBuild
from sealock.web.api.whole_build import whole_build
from sealock.web.asking import Asker, Asks, service_of
from sealock.web.written import PLAIN

router = APIRouter(tags=["builds"])

Starter = Annotated[Asker, Depends(Asks(Permission.BUILDS_START))]


class NewBuild(Given):
    """ref: branch, whole commit, or refs/tags/TAG; null for the default branch. pipelines: none named means
    all."""

    ref: Annotated[str | None, Field(min_length=1, max_length=250, pattern=PLAIN)] = None
    pipelines: Pipelines = Field(default_factory=list)


class Restart(Given):
    """failed_only: only the pipelines that did not pass, or were not begun. pipelines: only these of its own,
    whatever became of them; none named means all."""

    failed_only: bool = False
    pipelines: Pipelines = Field(default_factory=list)


@router.post("/projects/{project}/builds", status_code=201, response_model=WholeBuild)
async def start_build(
    request: Request, project: ProjectPath, new: NewBuild, asker: Starter, key: IdempotencyKey = None
) -> Response:
    """Build a branch, a tag or a commit."""
    service = service_of(request)
    record = await project_of(service, asker, project)

    async def make() -> Told:
        with found("project"), naming("ref"):
            created = await service.intake.start(
                asker.account,
                record.id,
                ref=new.ref,
                pipelines=tuple(new.pipelines),
                person=asker.person.id,
                delivery=delivery_of(asker, key),
            )
        return await whole_build(service, await build_of(service, asker, created.build))

    return await once(request, asker, key, make)


@router.post("/builds/{build}/restart", status_code=201, response_model=WholeBuild)
async def restart_build(
    request: Request, build: BuildPath, asker: Starter, how: Restart, key: IdempotencyKey = None
) -> Response:
    """The same commit again, as a new build. 409 if it has not ended, nothing of it failed, or it has no such
    pipeline."""
    service = service_of(request)
    view = await build_of(service, asker, build)

    async def make() -> Told:
        with found("build"), conflict():
            created = await service.intake.restart(
                asker.account,
                view.id,
                failed_only=how.failed_only,
                only=tuple(how.pipelines),
                person=asker.person.id,
                delivery=delivery_of(asker, key),
            )
        return await whole_build(service, await build_of(service, asker, created.build))

    return await once(request, asker, key, make)


@router.post("/builds/{build}/cancel")
async def cancel_build(
    request: Request, build: BuildPath, asker: Annotated[Asker, Depends(Asks(Permission.BUILDS_CANCEL))]
) -> WholeBuild:
    """Cancel it, or have it stopped if it runs. A build that has ended stays as it is."""
    service = service_of(request)
    view = await build_of(service, asker, build)
    await service.queue.cancel(view.id, f"cancelled by {asker.person.name}")
    return await whole_build(service, await build_of(service, asker, build))
