"""Projects: the list, one project with its builds and how it is connected, and a new one.

A project that has no build yet says what to do next: install its key, tell of pushes, start a build.
"""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from sealock.builds.projects import HOW_TO_GET_HOST_KEYS
from sealock.core.access import Permission
from sealock.core.builds import account_topic
from sealock.core.errors import UsageError
from sealock.core.naming import rule_of
from sealock.core.project import PROJECT_NAME, Project
from sealock.web.asking import service_of
from sealock.web.badges import badge_told
from sealock.web.hook_told import HookTold, hook_told
from sealock.web.pages.build_list import STATUSES, digest_of, part_of, wanted_of
from sealock.web.pages.forms import Faults, Form, read_form, see_other
from sealock.web.pages.found import project_for
from sealock.web.pages.frame import Needs, Viewer, render
from sealock.web.pages.live import tell_changes
from sealock.web.problems import sentence

HOW = HOW_TO_GET_HOST_KEYS.replace("give the line with --host-key", "paste the line here")
SHORT_NAME = rule_of(PROJECT_NAME)
LONGEST_REF = 250

Reader = Annotated[Viewer, Depends(Needs(Permission.PROJECTS_READ))]
Writer = Annotated[Viewer, Depends(Needs(Permission.PROJECTS_WRITE))]
Starter = Annotated[Viewer, Depends(Needs(Permission.BUILDS_START))]
router = APIRouter(prefix="/projects", include_in_schema=False)


@router.get("")
async def project_list(request: Request, asker: Reader) -> Response:
    """Every project, by name, with the newest build of its default branch that has ended."""
    service = service_of(request)
    projects = await service.projects.all(asker.account)
    branches = {}
    for one in projects:
        branches[one.id] = (await service.projects.settings(asker.account, one.id)).default_branch
    latest = (
        await service.builds.latest_of_branches(asker.account, list(branches.items())) if branches else []
    )
    builds = {one.project: one for one in latest}
    return render(
        request,
        "projects.html",
        projects=projects,
        branches=branches,
        builds=builds,
        now=time.time(),
        removed="removed" in request.query_params,
    )


@router.get("/new")
async def new_project_page(request: Request, asker: Writer) -> Response:
    """The form."""
    return _new_project(request, Form(), Faults())


@router.post("/new")
async def new_project(request: Request, asker: Writer) -> Response:
    """Make it, with a key of its own; to its page, which says what to do next."""
    form, faults = await read_form(request), Faults()
    name, address = form.text("name"), form.text("address")
    if not PROJECT_NAME.fullmatch(name):
        faults.add("name", SHORT_NAME)
    if not address or len(address) > 1024:
        faults.add("address", "An address is needed, such as git@git.example.com:team/shop.git.")
    if not faults:
        try:
            made = await service_of(request).projects.create(
                asker.account, name, address, form.lines("host_keys")
            )
        except UsageError as error:
            faults.add(
                _whose_fault(error),
                sentence(error).replace("give the line with --host-key", "paste the line here"),
            )
        else:
            return see_other(f"/projects/{made.id}")
    return _new_project(request, form, faults, 422)


@router.get("/{project_id}")
async def project_page(request: Request, project_id: str, asker: Reader) -> Response:
    """A project's page."""
    return await _project_page(request, asker, project_id)


@router.get("/{project_id}/part/builds")
async def builds_part(request: Request, project_id: str, asker: Reader) -> Response:
    """Its builds, as they are now."""
    project = await project_for(request, asker, project_id)
    return render(request, "project_builds.html", **await _builds(request, asker, project))


@router.get("/{project_id}/live")
async def live(request: Request, project_id: str, asker: Reader, seen: str = "") -> Response:
    """Tells when one of its builds begins, ends or is queued."""
    project, wanted = await project_for(request, asker, project_id), wanted_of(request)

    async def digest() -> str:
        return digest_of((await part_of(request, asker, wanted, project)).builds)

    return await tell_changes(request, asker, account_topic(asker.account), digest, seen[:64])


@router.post("/{project_id}/builds")
async def start_build(request: Request, project_id: str, asker: Starter) -> Response:
    """Start a build; to its page."""
    project = await project_for(request, asker, project_id)
    form, faults = await read_form(request), Faults()
    ref = form.text("ref") or None
    if ref and (len(ref) > LONGEST_REF or not ref.isprintable()):
        faults.add("ref", "A branch, a commit, or a tag as refs/tags/NAME is needed.")
    if not faults:
        try:
            created = await service_of(request).intake.start(
                asker.account, project.id, ref=ref, pipelines=form.words("pipelines"), person=asker.person.id
            )
        except UsageError as error:
            faults.add("pipelines" if "pipeline" in error.brief else "ref", sentence(error))
        except LookupError as error:
            raise HTTPException(404, "There is no such project.") from error
        else:
            return see_other(f"/builds/{created.build}")
    return await _project_page(request, asker, project_id, form, faults)


@router.post("/{project_id}/badge")
async def reset_badge(request: Request, project_id: str, asker: Writer) -> Response:
    """A new address for the badge."""
    project = await project_for(request, asker, project_id)
    await service_of(request).projects.reset_badge(asker.account, project.id)
    return see_other(f"/projects/{project.id}#badge")


async def _hook(request: Request, asker: Viewer, project: Project) -> HookTold:
    secret = await service_of(request).projects.hook_secret(asker.account, project.id)
    return hook_told(request, project, secret)


def _whose_fault(error: UsageError) -> str:
    if "host key" in error.brief:
        return "host_keys"
    if "there is a project" in error.brief or "name" in error.brief:
        return "name"
    return "address"


def _new_project(request: Request, form: Form, faults: Faults, status: int = 200) -> Response:
    how = HOW.format(host="HOST", port="22")
    return render(
        request, "project_new.html", status, form=form, faults=faults.found, how=how, short_name=SHORT_NAME
    )


async def _project_page(
    request: Request, asker: Viewer, project_id: str, form: Form | None = None, faults: Faults | None = None
) -> Response:
    project = await project_for(request, asker, project_id)
    settings = await service_of(request).projects.settings(asker.account, project.id)
    may_write = bool(asker.may(Permission.PROJECTS_WRITE))
    return render(
        request,
        "project.html",
        422 if faults else 200,
        settings=settings,
        form=form or Form(),
        faults=(faults or Faults()).found,
        hook=await _hook(request, asker, project) if may_write else None,
        badge=badge_told(request, project, settings.badge_version),
        has_authority=service_of(request).site.authority is not None,
        **await _builds(request, asker, project),
    )


async def _builds(request: Request, asker: Viewer, project: Project) -> dict[str, Any]:
    wanted = wanted_of(request)
    found = await part_of(request, asker, wanted, project)
    return {
        "now": time.time(),
        "project": project,
        "list": found,
        "wanted": wanted,
        "statuses": STATUSES,
        "seen": digest_of(found.builds),
    }
