"""A build's page: what became of it and why, where its time went, its steps, its log, open at the failure.

What changes while a build runs is in parts (`build/head.html`, `build/steps.html`), and so is what is said of
its log (`build/about.html`), which changes when it ends. Each has an address of its own, so that a page that
is open fetches them anew when it is told to. The buttons are forms.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from markupsafe import Markup

from sealock.core.access import Permission, Person, may
from sealock.core.build_state import BuildState
from sealock.core.builds import BuildView
from sealock.core.decision import Allowed, Denied
from sealock.core.errors import UsageError
from sealock.web.asking import service_of
from sealock.web.log_kept import log_kept_until
from sealock.web.pages import build_words as words
from sealock.web.pages.build_access import NoLog, build_for, opened
from sealock.web.pages.build_live import digest_of
from sealock.web.pages.build_log import begun, page_of
from sealock.web.pages.forms import read_form, see_other
from sealock.web.pages.frame import Asker, render
from sealock.web.pages.log_rows import rows
from sealock.web.pages.waterfall import Waterfall, waterfall
from sealock.web.problems import sentence

BEFORE, BEHIND, LAST = 8, 40, 30
"""Lines of the log that are in the page itself: around the one it opens at, or its last ones."""

PARTS = ("head", "steps", "about")
NO_LINES = Markup()

router = APIRouter(prefix="/builds/{build_id}", include_in_schema=False)


@dataclass(frozen=True)
class Opening:
    """The log as the page has it before any script runs. lines: HTML. total: lines there are. attempt: whose.
    missing: why there is nothing to show."""

    attempt: int = 0
    total: int = 0
    failing_line: int | None = None
    failing_command: str | None = None
    tool: str | None = None
    lines: Markup = NO_LINES
    missing: NoLog | None = None

    @property
    def failing_page(self) -> int:
        return page_of(self.failing_line or max(1, self.total))


@router.get("")
async def build_page(request: Request, build_id: str, asker: Asker) -> Response:
    """The page."""
    build = await build_for(request, asker.person, build_id, Permission.BUILDS_READ)
    shown = await _shown(request, asker, build) | await _of_log(request, asker, build)
    return render(request, "build/page.html", asker=asker, **shown)


@router.get("/part/{part}")
async def part_of_page(request: Request, build_id: str, part: str, asker: Asker) -> Response:
    """A part of it as it is now: `head`, `steps`, or `about` its log."""
    build = await build_for(request, asker.person, build_id, Permission.BUILDS_READ)
    if part not in PARTS:
        raise HTTPException(404, "There is no such part.")
    shown = await _shown(request, asker, build)
    if part == "about":
        shown |= await _of_log(request, asker, build)
    return render(request, f"build/{part}.html", asker=asker, **shown)


@router.post("/cancel")
async def cancel_build(request: Request, build_id: str, asker: Asker) -> Response:
    """Cancel it. What has ended by itself meanwhile stays as it is."""
    build = await build_for(request, asker.person, build_id, Permission.BUILDS_CANCEL)
    await service_of(request).queue.cancel(build.id, f"cancelled by {asker.person.name}")
    return see_other(f"/builds/{build.id}")


@router.post("/restart")
async def restart_build(request: Request, build_id: str, asker: Asker) -> Response:
    """The same commit again, all of it, what failed or one pipeline; to the new build."""
    build = await build_for(request, asker.person, build_id, Permission.BUILDS_START)
    form = await read_form(request)
    failed_only = form.get("failed_only") == "yes"
    try:
        created = await service_of(request).intake.restart(
            build.account,
            build.id,
            failed_only=failed_only,
            person=asker.person.id,
            only=form.words("pipelines"),
        )
    except LookupError as error:
        raise HTTPException(404, "There is no such build.") from error
    except UsageError as error:
        raise HTTPException(409, sentence(error)) from error
    return see_other(f"/builds/{created.build}")


async def _shown(request: Request, asker: Asker, build: BuildView) -> dict[str, Any]:
    """What the page and its parts show of a build."""
    now = time.time()
    green = await service_of(request).builds.last_green(build.account, build)
    fall: Waterfall = waterfall(build, green, now)
    return {
        "build": build,
        "now": now,
        "green": green,
        "waterfall": fall,
        "words": words,
        "because": words.because(build, _who(build, asker.person)),
        "elapsed": words.elapsed(build, now),
        "open_step": words.failing_step(build),
        "seen": digest_of(build),
        "may_cancel": _may(asker, build, Permission.BUILDS_CANCEL) and build.state is not BuildState.ENDED,
        "may_restart": _may(asker, build, Permission.BUILDS_START) and build.state is BuildState.ENDED,
        "has_receipt": await _has_receipt(request, build),
        "may_read_log": _may(asker, build, Permission.LOGS_READ),
    }


async def _has_receipt(request: Request, build: BuildView) -> bool:
    """One that our own fault ended may have none."""
    if build.ended_at is None or not build.attempt:
        return False
    return await service_of(request).builds.receipt(build.account, build.id) is not None


async def _of_log(request: Request, asker: Asker, build: BuildView) -> dict[str, Any]:
    """What they show of its log."""
    until = await log_kept_until(service_of(request), build)
    return {"log": await _opening(request, build, asker.person), "kept_until": until}


def _may(asker: Asker, build: BuildView, permission: Permission) -> bool:
    return isinstance(may(asker.person, build.account, permission), Allowed)


def _who(build: BuildView, person: Person) -> str:
    """Names of others are for who may read the account's members; ids tell nobody anything."""
    if build.person is None:
        return ""
    return "you" if build.person == person.id else "somebody of the team"


async def _opening(request: Request, build: BuildView, person: Person) -> Opening:
    """The lines around where it failed, else the last ones."""
    if isinstance(may(person, build.account, Permission.LOGS_READ), Denied):
        ask = "Ask an owner of the account for a role that may."
        return Opening(missing=NoLog("You may not read this log.", ask))
    try:
        async with opened(request, build, None, person) as log:
            outline = await log.outline()
            failing = outline.failing_line if words.has_failed(build) else None
            line = failing or max(1, outline.total_lines)
            page = await log.page(page_of(line))
    except NoLog as none:
        return Opening(build.attempt, missing=none)
    before = BEFORE if failing else LAST - 1
    near = [each for each in page.lines if line - before <= each.number <= line + BEHIND]
    link = f"/builds/{build.id}/log?page={page.number}&amp;attempt={build.attempt}"
    return Opening(
        build.attempt,
        outline.total_lines,
        failing,
        outline.failing_command if failing else None,
        outline.tool if failing else None,
        rows(near, begun(build), link=link, failing=failing),
    )
