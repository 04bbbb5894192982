"""Builds: listed, looked at, waited for."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, HTTPException, Path, Query, Request, Response

from sealock.core.access import Permission
from sealock.core.build import Outcome
from sealock.core.build_state import BuildState
from sealock.core.builds import BuildFilter, BuildView, build_topic
from sealock.core.errors import UsageError
from sealock.core.queue import SAFETY_POLL, QueueEvent, QueueEventKind
from sealock.web.api.errors import missing
from sealock.web.api.found import BuildPath, ProjectPath, build_of, project_of
from sealock.web.api.lists import Cursor, Limit, after, bad_cursor, cursor_after
from sealock.web.api.shapes import Build, Items, Step, Told, WholeBuild
from sealock.web.api.whole_build import whole_build
from sealock.web.asking import Asker, Asks, service_of, still_may
from sealock.web.ports import ServicePorts, WebPorts
from sealock.web.written import COMMIT, PLAIN

router = APIRouter(tags=["builds"])

LONGEST_WAIT = 60
"""Seconds. Whoever wants to wait longer asks again."""

LAST_NUMBER = 2**31 - 1

READS = Asks(Permission.BUILDS_READ)
Reader = Annotated[Asker, Depends(READS)]
Text = Annotated[str | None, Query(min_length=1, max_length=255, pattern=PLAIN)]


class QueueStep(Told):
    """What happened to a build in the queue. attempt: 0 before the first. worker: an id, `` if none."""

    attempt: int
    at: float
    kind: QueueEventKind
    worker: str
    reason: str

    @staticmethod
    def of(event: QueueEvent) -> QueueStep:
        return QueueStep(**{name: value for name, value in vars(event).items() if name != "build"})


@router.get("/builds")
async def list_builds(  # noqa: PLR0917 - each is a parameter of the address
    request: Request,
    asker: Reader,
    project: Text = None,
    branch: Text = None,
    state: BuildState | None = None,
    outcome: Outcome | None = None,
    commit: Annotated[str | None, Query(pattern=COMMIT)] = None,
    mine: Annotated[bool, Query(description="Only those you asked for.")] = False,
    cursor: Cursor = None,
    limit: Limit = 30,
) -> Items[Build]:
    """The account's builds, the newest first. Each filter that is given must hold."""
    service = service_of(request)
    known = None if project is None else (await project_of(service, asker, project)).id
    whose = asker.person.id if mine else None
    question = ("builds", asker.account, known, branch, state, outcome, commit, whose)
    before = after(question, cursor) if cursor is not None else None
    which = BuildFilter(known, branch, state, outcome, whose, commit, before, limit)
    try:
        page = await service.builds.page(asker.account, which)
    except UsageError as error:  # the build it followed is gone with its project
        raise bad_cursor() from error
    more = cursor_after(question, page[-1].id) if len(page) == limit else None
    return Items(items=[Build.of(view) for view in page], next=more)


@router.get("/builds/{build}", responses={304: {"description": "It is as you know it."}})
async def show_build(  # noqa: PLR0917 - each is a parameter of the address
    request: Request,
    response: Response,
    build: BuildPath,
    asker: Reader,
    wait: Annotated[
        float, Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait for its end, at most.")
    ] = 0.0,
    known: Annotated[str | None, Header(alias="If-None-Match", max_length=1024)] = None,
) -> WholeBuild:
    """One build with its steps and phases. With `wait` the answer comes when it has ended, or after that
    long, whichever is first."""
    ports: WebPorts = request.app.state.ports
    view = await build_of(service_of(request), asker, build)
    if wait and view.state is not BuildState.ENDED:
        with ports.streams.seat(asker.person.id) as free:
            if not free:
                raise HTTPException(429, "You wait for too many things at once.", {"Retry-After": "5"})
            async for seen in ports.streams.follow(_until_ended(service_of(request), view, wait)):
                view = seen
        if not await still_may(request, asker, Permission.BUILDS_READ):
            raise HTTPException(401, "You may not see this any more.")
    told = await whole_build(service_of(request), view)
    tag = _tag(told)
    if known is not None and tag in _tags(known):
        # The type is what the description says of 200; an answer without a body goes out as it is.
        return Response(status_code=304, headers={"ETag": tag})  # type: ignore[return-value]
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "private, no-cache"
    return told


@router.get("/projects/{project}/builds/{number}")
async def show_numbered_build(
    request: Request,
    project: ProjectPath,
    number: Annotated[int, Path(ge=1, le=LAST_NUMBER, description="Its number, which pages show.")],
    asker: Reader,
) -> WholeBuild:
    """The build of that number within its project, with its steps and phases."""
    service = service_of(request)
    known = await project_of(service, asker, project)
    view = await service.builds.numbered(asker.account, known.id, number)
    if view is None:
        raise missing("build")
    return await whole_build(service, view)


@router.get("/builds/{build}/steps")
async def list_steps(request: Request, build: BuildPath, asker: Reader) -> Items[Step]:
    """The steps of its latest attempt, in order."""
    view = await build_of(service_of(request), asker, build)
    return Items(items=[Step.of(step) for step in view.steps])


@router.get("/builds/{build}/history")
async def show_history(request: Request, build: BuildPath, asker: Reader) -> Items[QueueStep]:
    """What happened to it in the queue, in order."""
    view = await build_of(service_of(request), asker, build)
    events = await service_of(request).queue.history(view.id)
    return Items(items=[QueueStep.of(event) for event in events])


async def _until_ended(service: ServicePorts, view: BuildView, seconds: float) -> AsyncIterator[BuildView]:
    """How it stands, again and again, until it has ended or the time is over."""
    until = time.monotonic() + seconds
    async with service.wakeups.subscribe(build_topic(view.id)) as told:
        while True:
            now = await service.builds.get(view.account, view.id)
            if now is None:
                raise missing("build")
            yield now
            left = until - time.monotonic()
            if now.state is BuildState.ENDED or left <= 0:
                return
            await told.wait(min(SAFETY_POLL, left))


def _tag(told: Told) -> str:
    return '"' + hashlib.sha256(told.model_dump_json().encode()).hexdigest()[:32] + '"'


def _tags(known: str) -> Iterator[str]:
    for one in known.split(","):
        yield one.strip().removeprefix("W/")
