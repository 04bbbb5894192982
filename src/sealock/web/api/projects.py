"""Projects: made with a key, changed, and removed together with their keys."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from sealock.core.access import Permission
from sealock.core.errors import UsageError
from sealock.core.project import Project as ProjectRecord
from sealock.web.api.errors import conflict, found, naming, wrong
from sealock.web.api.found import ProjectPath, project_of
from sealock.web.api.lists import Cursor, Limit, part
from sealock.web.api.once import IdempotencyKey, once
from sealock.web.api.shapes import Given, Items, Project, Settings, Told, WholeProject
from sealock.web.asking import Asker, Asks, service_of
from sealock.web.hook_told import HookTold, hook_told
from sealock.web.problems import sentence
from sealock.web.written import PLAIN, PROJECT

router = APIRouter(tags=["projects"])

Reader = Annotated[Asker, Depends(Asks(Permission.PROJECTS_READ))]
Writer = Annotated[Asker, Depends(Asks(Permission.PROJECTS_WRITE))]
HostKey = Annotated[str, Field(min_length=1, max_length=2048, pattern=PLAIN)]


class NewProject(Given):
    """address: `git@host:path` or `ssh://…`. host_keys: lines of `ssh-keyscan`, compared by you; none: those
    that the installation knows."""

    name: Annotated[str, Field(pattern=PROJECT)]
    address: Annotated[str, Field(min_length=1, max_length=1024, pattern=PLAIN)]
    host_keys: Annotated[list[HostKey], Field(max_length=20)] = Field(default_factory=list)


class NewSettings(Settings):
    """What is not given stays as it is."""


class Hook(Told):
    """Where pushes are told of, what each delivery is signed with, and what it has to call the repository.
    secret: as it signs, a text; null where a request is sent again that made a new one. script: for
    `hooks/post-receive` of a plain Git server, with the secret in it; null where that is, or where the
    repository's name cannot stand in a script."""

    url: str
    secret: str | None
    repository: str
    script: str | None

    @staticmethod
    def of(told: HookTold) -> Hook:
        return Hook(**vars(told))


@router.get("/projects")
async def list_projects(
    request: Request, asker: Reader, cursor: Cursor = None, limit: Limit = 100
) -> Items[Project]:
    """The account's projects, by name."""
    projects = await service_of(request).projects.all(asker.account)
    question = ("projects", asker.account)
    return part(projects, lambda one: one.name, Project.of, question=question, cursor=cursor, limit=limit)


@router.post("/projects", status_code=201, response_model=WholeProject)
async def create_project(
    request: Request, asker: Writer, new: NewProject, key: IdempotencyKey = None
) -> Response:
    """A new project with a new SSH key, whose public half is to be installed as a deploy key."""
    service = service_of(request)

    async def make() -> Told:
        await _refuse_taken(request, asker, new.name)
        with naming("address"):
            made = await service.projects.create(asker.account, new.name, new.address, tuple(new.host_keys))
        return await _whole(request, asker, made)

    return await once(request, asker, key, make)


async def _refuse_taken(request: Request, asker: Asker, name: str) -> None:
    try:
        await service_of(request).projects.named(asker.account, name)
    except LookupError:
        return
    with conflict():
        raise UsageError(f"There is a project {name} already", resolution="Choose another name.")


@router.get("/projects/{project}")
async def show_project(request: Request, project: ProjectPath, asker: Reader) -> WholeProject:
    """One project with its settings."""
    return await _whole(request, asker, await project_of(service_of(request), asker, project))


@router.patch("/projects/{project}")
async def change_project(
    request: Request, project: ProjectPath, new: NewSettings, asker: Writer
) -> WholeProject:
    """Change some of its settings."""
    service = service_of(request)
    record = await project_of(service, asker, project)
    with found("project"):
        before = await service.projects.settings(asker.account, record.id)
        changes: dict[str, Any] = new.changes()
        try:
            await service.projects.change(asker.account, record.id, replace(before, **changes))
        except UsageError as error:  # it begins with the field
            field, _, why = error.brief.partition(": ")
            said = UsageError(why or error.brief, resolution=error.resolution)
            raise wrong(field[:63], sentence(said)) from error
    return await _whole(request, asker, record)


@router.delete("/projects/{project}", status_code=204)
async def remove_project(request: Request, project: ProjectPath, asker: Writer) -> None:
    """Destroy its keys, then all of it: builds, logs, secrets. Nothing of it opens again, from no backup
    either. 409 while one of its builds runs."""
    service = service_of(request)
    record = await project_of(service, asker, project)
    with found("project"), conflict():
        await service.projects.remove(asker.account, record.id, person=asker.person.id)


@router.post("/projects/{project}/key", status_code=201, response_model=WholeProject)
async def reset_key(
    request: Request, project: ProjectPath, asker: Writer, key: IdempotencyKey = None
) -> Response:
    """Give it a new SSH key; the old one is gone at once."""
    service = service_of(request)
    record = await project_of(service, asker, project)

    async def make() -> Told:
        with found("project"), conflict():
            return await _whole(request, asker, await service.projects.reset_key(asker.account, record.id))

    return await once(request, asker, key, make)


@router.get("/projects/{project}/hook")
async def show_hook(request: Request, project: ProjectPath, asker: Writer) -> Hook:
    """What a Git server needs to tell us of pushes."""
    record = await project_of(service_of(request), asker, project)
    with found("project"):
        secret = await service_of(request).projects.hook_secret(asker.account, record.id)
    return Hook.of(hook_told(request, record, secret))


@router.post("/projects/{project}/hook", status_code=201, response_model=Hook)
async def reset_hook(
    request: Request, project: ProjectPath, asker: Writer, key: IdempotencyKey = None
) -> Response:
    """A new secret for the hook; the old one is taken for a day longer."""
    record = await project_of(service_of(request), asker, project)

    async def make() -> Told:
        with found("project"):
            secret = await service_of(request).projects.reset_hook_secret(asker.account, record.id)
        return Hook.of(hook_told(request, record, secret))

    return await once(request, asker, key, make, shown_once=("secret", "script"))


async def _whole(request: Request, asker: Asker, record: ProjectRecord) -> WholeProject:
    with found("project"):
        settings = await service_of(request).projects.settings(asker.account, record.id)
    return WholeProject.with_settings(record, settings)
