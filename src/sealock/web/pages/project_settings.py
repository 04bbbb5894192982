"""What a project's people decide about it: its settings, its secrets, its key, its hook, its end.

Secrets go in and are never shown: the page has their names, versions and times. What cannot be taken back, or
breaks something until it is mended elsewhere, is asked for by typing the project's name.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from sealock.core.access import Permission
from sealock.core.accounts import MOST_RUNNING
from sealock.core.errors import UsageError
from sealock.core.log_retention import MOST_DAYS
from sealock.core.masking import why_not_masked
from sealock.core.naming import rule_of
from sealock.core.plan import MOST_PIPELINES, PIPELINE_NAME
from sealock.core.project import Project
from sealock.core.project_settings import ProjectSettings
from sealock.core.queue import HIGHEST_PRIORITY, LOWEST_PRIORITY, Supersede
from sealock.core.scope import Scope
from sealock.core.sealed import SEALED_NAME, Kind, SealedVersion
from sealock.core.secret import Secret
from sealock.web.asking import service_of
from sealock.web.pages.forms import Faults, Form, read_form, see_other
from sealock.web.pages.found import project_for
from sealock.web.pages.frame import Needs, Viewer, render
from sealock.web.problems import sentence

SUPERSEDE_WORDS = {
    Supersede.NOTHING: "Nothing: every build runs",
    Supersede.QUEUED: "Cancels those that have not begun",
    Supersede.RUNNING: "Stops those that run, too",
}
DONE = {
    "settings": "The settings are saved.",
    "secret": "The secret is sealed.",
    "removed": "The secret is destroyed.",
    "key": "The project has a new SSH key. Install it on the Git server: the old one opens nothing any more.",
    "hook": "The hook has a new secret. The old one is taken for a day longer.",
}

Writer = Annotated[Viewer, Depends(Needs(Permission.PROJECTS_WRITE))]
SecretWriter = Annotated[Viewer, Depends(Needs(Permission.SECRETS_WRITE))]
router = APIRouter(prefix="/projects/{project_id}/settings", include_in_schema=False)


@router.get("")
async def settings_page(request: Request, project_id: str, asker: Writer) -> Response:
    """The page."""
    return await _page(request, asker, await project_for(request, asker, project_id))


@router.post("")
async def change_settings(request: Request, project_id: str, asker: Writer) -> Response:
    """Save the settings."""
    project = await project_for(request, asker, project_id)
    form, faults = await read_form(request), Faults()
    before = await service_of(request).projects.settings(asker.account, project.id)
    wanted = _settings(form, before, faults)
    if wanted is not None:
        try:
            await service_of(request).projects.change(asker.account, project.id, wanted)
        except UsageError as error:
            field, _, why = error.brief.partition(": ")
            is_field = field in vars(wanted)
            faults.add(
                field if is_field else "",
                f"{why[:1].upper()}{why[1:]}. {error.resolution}" if is_field else sentence(error),
            )
        else:
            return see_other(f"/projects/{project.id}/settings?done=settings")
    return await _page(request, asker, project, form=form, faults=faults)


@router.post("/secrets")
async def keep_secret(request: Request, project_id: str, asker: SecretWriter) -> Response:
    """Seal a value as the next version of its name."""
    project = await project_for(request, asker, project_id)
    form, faults = await read_form(request), Faults()
    name, kind = form.text("secret_name"), form.get("kind", "variable")
    pipelines = form.words("pipelines")
    if not SEALED_NAME.fullmatch(name):
        faults.add("secret_name", rule_of(SEALED_NAME))
    if kind not in (Kind.VARIABLE, Kind.FILE):
        faults.add("kind", "It is a variable or a file.")
    if not form.get("value"):
        faults.add("value", "A value is needed.")
    if not all(PIPELINE_NAME.fullmatch(one) for one in pipelines) or len(pipelines) > MOST_PIPELINES:
        faults.add("pipelines", f"{rule_of(PIPELINE_NAME)} At most {MOST_PIPELINES} pipelines.")
    if not faults:
        scope = Scope(pipelines, form.ticked("deployments_only"), form.ticked("protected_only"))
        with Secret(form["value"].encode(errors="replace")) as value:
            done = "secret" if why_not_masked(value.reveal()) is None else f"secret&not_masked={name}"
            try:
                await service_of(request).secrets.keep(
                    asker.account, project.id, kind=Kind(kind), name=name, value=value, scope=scope
                )
            except UsageError as error:
                faults.add("value" if error.brief.startswith("the value") else "secret_name", sentence(error))
    if faults:
        return await _page(request, asker, project, secret=form, faults=faults)
    return see_other(f"/projects/{project.id}/settings?done={done}#secrets")


@router.post("/secrets/remove")
async def remove_secret(request: Request, project_id: str, asker: SecretWriter) -> Response:
    """Destroy every version of a name."""
    project = await project_for(request, asker, project_id)
    name = (await read_form(request)).text("name")
    faults = Faults()
    if not SEALED_NAME.fullmatch(name):
        raise HTTPException(404, "There is no such secret.")
    with faults.naming(""):
        try:
            await service_of(request).secrets.remove(asker.account, project.id, name)
        except LookupError as error:
            raise HTTPException(404, "There is no such secret.") from error
    if faults:
        return await _page(request, asker, project, faults=faults)
    return see_other(f"/projects/{project.id}/settings?done=removed#secrets")


@router.post("/key")
async def reset_key(request: Request, project_id: str, asker: Writer) -> Response:
    """A new SSH key; the old one is gone."""
    project = await project_for(request, asker, project_id)
    faults = await _named(request, project, "key_name")
    if not faults:
        with faults.naming("key_name"):
            await service_of(request).projects.reset_key(asker.account, project.id)
    if faults:
        return await _page(request, asker, project, faults=faults)
    return see_other(f"/projects/{project.id}/settings?done=key")


@router.post("/hook")
async def reset_hook(request: Request, project_id: str, asker: Writer) -> Response:
    """A new secret for the hook."""
    project = await project_for(request, asker, project_id)
    with await service_of(request).projects.reset_hook_secret(asker.account, project.id):
        pass  # the project's page shows it
    return see_other(f"/projects/{project.id}/settings?done=hook")


@router.post("/remove")
async def remove_project(request: Request, project_id: str, asker: Writer) -> Response:
    """Destroy its keys, then all of it."""
    project = await project_for(request, asker, project_id)
    faults = await _named(request, project, "remove_name")
    if not faults:
        with faults.naming("remove_name"):
            await service_of(request).projects.remove(asker.account, project.id, person=asker.person.id)
    if faults:
        return await _page(request, asker, project, faults=faults)
    return see_other("/projects?removed=yes")


def secret_lines(versions: list[SealedVersion]) -> list[dict[str, Any]]:
    """For each name there is: its newest version, since when, and how many versions there are. Names of which
    nothing is left are not told."""
    names: dict[str, list[SealedVersion]] = {}
    for one in versions:
        if one.name.kind in (Kind.VARIABLE, Kind.FILE) and one.destroyed_at is None:
            names.setdefault(one.name.name, []).append(one)
    return [
        {"name": name, "newest": max(those, key=lambda one: one.name.version), "versions": those}
        for name, those in sorted(names.items())
    ]


async def _named(request: Request, project: Project, field: str) -> Faults:
    faults = Faults()
    if (await read_form(request)).text(field) != project.name:
        faults.add(field, f"Type the project's name, {project.name}, to have it done.")
    return faults


def _settings(form: Form, before: ProjectSettings, faults: Faults) -> ProjectSettings | None:
    priority = faults.number(form, "priority", LOWEST_PRIORITY, HIGHEST_PRIORITY)
    most = faults.number(form, "max_running", 0, MOST_RUNNING) if form.text("max_running") else None
    days = faults.number(form, "keep_logs", 1, MOST_DAYS) if form.text("keep_logs") else None
    if form.get("supersede") not in set(Supersede):
        faults.add("supersede", "Choose one of these.")
    if faults or priority is None:
        return None
    return replace(
        before,
        default_branch=form.text("default_branch"),
        protected=form.lines("protected"),
        image=form.text("image"),
        supersede=Supersede(form["supersede"]),
        max_running=most,
        priority=priority,
        labels=form.words("labels"),
        one_at_a_time=form.lines("one_at_a_time"),
        keep_logs=days,
    )


def _as_form(settings: ProjectSettings) -> Form:
    """Settings as the form has them."""
    most = "" if settings.max_running is None else str(settings.max_running)
    return Form(
        (
            ("default_branch", settings.default_branch),
            ("protected", "\n".join(settings.protected)),
            ("image", settings.image),
            ("supersede", settings.supersede.value),
            ("max_running", most),
            ("priority", str(settings.priority)),
            ("labels", ", ".join(settings.labels)),
            ("one_at_a_time", "\n".join(settings.one_at_a_time)),
            ("keep_logs", "" if settings.keep_logs is None else str(settings.keep_logs)),
        )
    )


async def _page(
    request: Request,
    asker: Viewer,
    project: Project,
    *,
    form: Form | None = None,
    secret: Form | None = None,
    faults: Faults | None = None,
) -> Response:
    service = service_of(request)
    settings = await service.projects.settings(asker.account, project.id)
    may_secrets = bool(asker.may(Permission.SECRETS_WRITE))
    versions = await service.secrets.all(asker.account, project.id) if may_secrets else []
    asked_of = request.query_params.get("not_masked", "")
    return render(
        request,
        "project_settings.html",
        422 if faults else 200,
        project=project,
        settings=settings,
        form=form or _as_form(settings),
        secret=secret or Form((("protected_only", "yes"),)),
        faults=(faults or Faults()).found,
        secrets=secret_lines(versions),
        may_secrets=may_secrets,
        supersede_words=SUPERSEDE_WORDS,
        keep_logs=service.site.keep_logs,
        done=DONE.get(request.query_params.get("done", ""), ""),
        not_masked=next((each.name.name for each in versions if each.name.name == asked_of), ""),
        now=time.time(),
    )
