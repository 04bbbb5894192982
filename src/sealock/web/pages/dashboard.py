"""The first page: what runs now, which default branches are red, and the builds one looks for.

It stays as it is while nobody builds, and changes by itself when a build begins, ends or is queued.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from sealock.core.access import Permission
from sealock.core.build import Outcome
from sealock.core.build_state import BuildState
from sealock.core.builds import BuildFilter, BuildView, account_topic
from sealock.core.project import Project
from sealock.web.asking import service_of
from sealock.web.pages.build_list import STATUSES, Wanted, digest_of, part_of, wanted_of
from sealock.web.pages.frame import Needs, Viewer, render
from sealock.web.pages.live import tell_changes

MOST_NOW = 50
"""Builds that run or wait; of more the number is told."""

Reader = Annotated[Viewer, Depends(Needs(Permission.BUILDS_READ))]
router = APIRouter(include_in_schema=False)


@router.get("/")
async def dashboard(request: Request, asker: Reader) -> Response:
    """The page."""
    return render(request, "dashboard.html", **await _shown(request, asker, wanted_of(request)))


@router.get("/part/dashboard")
async def dashboard_part(request: Request, asker: Reader) -> Response:
    """All of it that changes, as it is now."""
    return render(request, "dashboard_part.html", **await _shown(request, asker, wanted_of(request)))


@router.get("/live")
async def live(request: Request, asker: Reader, seen: Annotated[str, Query(max_length=64)] = "") -> Response:
    """Tells when builds of the account begin, end or are queued. seen: the digest that the page has."""
    wanted = Wanted()

    async def digest() -> str:
        newest = await part_of(request, asker, wanted)
        return digest_of(*await _now(request, asker), newest.builds)

    return await tell_changes(request, asker, account_topic(asker.account), digest, seen)


async def _shown(request: Request, asker: Viewer, wanted: Wanted) -> dict[str, Any]:
    projects = await service_of(request).projects.all(asker.account)
    running, queued = await _now(request, asker)
    newest = await part_of(request, asker, Wanted())
    return {
        "now": time.time(),
        "projects": projects,
        "running": running,
        "queued": queued,
        "most_now": MOST_NOW,
        "failing": await _failing(request, asker, projects),
        "list": await part_of(request, asker, wanted) if wanted or wanted.before else newest,
        "wanted": wanted,
        "statuses": STATUSES,
        "seen": digest_of(running, queued, newest.builds),
        "may_read_log": bool(asker.may(Permission.LOGS_READ)),
    }


async def _now(request: Request, asker: Viewer) -> tuple[Sequence[BuildView], Sequence[BuildView]]:
    records = service_of(request).builds
    running = await records.page(asker.account, BuildFilter(state=BuildState.RUNNING, limit=MOST_NOW))
    queued = await records.page(asker.account, BuildFilter(state=BuildState.QUEUED, limit=MOST_NOW))
    return running, queued


async def _failing(request: Request, asker: Viewer, projects: Sequence[Project]) -> list[BuildView]:
    """The newest build of each project's default branch, where that is not green."""
    service = service_of(request)
    found = await asyncio.gather(*(_default_branch(request, asker, project) for project in projects))
    branches = [(project.id, branch) for project, branch in zip(projects, found, strict=True) if branch]
    latest = await service.builds.latest_of_branches(asker.account, branches) if branches else []
    return [build for build in latest if build.outcome is not Outcome.GREEN]


async def _default_branch(request: Request, asker: Viewer, project: Project) -> str:
    try:
        return (await service_of(request).projects.settings(asker.account, project.id)).default_branch
    except LookupError:  # removed meanwhile
        return ""
