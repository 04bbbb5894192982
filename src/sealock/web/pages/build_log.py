"""A build's log: pages of lines, the outline, a search, the whole text, and pages to read without a script.

Each answer names the attempt it is of. A page that is full never changes, so a browser may keep it; it keeps
it for who is signed in (`Vary: Cookie`), and for an hour, so that a removed log is gone from there as well.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse

from sealock.core.access import Permission
from sealock.core.build import Outcome
from sealock.core.builds import BuildView
from sealock.core.log_pages import LogGroup, LogOutline, LogPage, OpenLog
from sealock.web.closing import ClosingResponse, while_allowed
from sealock.web.pages import build_words as words
from sealock.web.pages.build_access import NoLog, attempt_of, build_for, opened, still_may
from sealock.web.pages.build_words import took
from sealock.web.pages.frame import Asker, render
from sealock.web.pages.log_rows import row, rows

PAGE = 500
"""Lines of a page, as the log gives them out."""

KEPT = "private, max-age=3600, immutable"
ASKED_AGAIN = "private, no-cache"

router = APIRouter(prefix="/builds/{build_id}/log", include_in_schema=False)
Attempt = Annotated[int | None, Query(ge=0, le=1_000_000)]
Number = Annotated[int, Query(ge=1, le=10**9)]


@router.get("")
async def log_page(
    request: Request, build_id: str, asker: Asker, page: Number | None = None, attempt: Attempt = None
) -> Response:
    """A page of the log by itself, readable without a script: where it failed, else its last page."""
    build = await build_for(request, asker.person, build_id, Permission.LOGS_READ)
    try:
        async with opened(request, build, attempt, asker.person) as log:
            outline = await log.outline()
            failing = _failing_line(outline, build, attempt)
            number = page or page_of(failing or max(1, outline.total_lines))
            shown = await log.page(number)
    except NoLog as none:
        return render(request, "build/log.html", asker=asker, build=build, missing=none)
    number = attempt_of(build, attempt)
    link = f"/builds/{build.id}/log?page={shown.number}&amp;attempt={number}"
    bad = failing if build.outcome is not Outcome.CANCELLED else None
    lines = rows(shown.lines, begun(build), link=link, failing=bad)
    return render(
        request,
        "build/log.html",
        asker=asker,
        build=build,
        missing=None,
        attempt=number,
        page=shown,
        lines=lines,
        failing_page=page_of(failing) if failing else None,
        failing_line=failing,
    )


@router.get("/page/{number}")
async def lines_of_page(
    request: Request, build_id: str, number: int, asker: Asker, attempt: Attempt = None
) -> Response:
    """The lines of a page, as rows of HTML."""
    build = await build_for(request, asker.person, build_id, Permission.LOGS_READ)
    async with _opened(request, build, attempt, asker) as log:
        if not 1 <= number <= 10**9:
            raise HTTPException(404, "This log has no such page.")
        shown = await log.page(number)
    headers = _kept(shown, attempt)
    if request.headers.get("if-none-match") == shown.tag:
        return Response(status_code=304, headers=headers)
    return HTMLResponse(rows(shown.lines, begun(build)), headers=headers)


@router.get("/outline")
async def outline_of_log(request: Request, build_id: str, asker: Asker, attempt: Attempt = None) -> Response:
    """What can be folded, what the build said of itself, and where it failed."""
    build = await build_for(request, asker.person, build_id, Permission.LOGS_READ)
    async with _opened(request, build, attempt, asker) as log:
        found = await log.outline()
        return _json(_outline(found, build, attempt))


@router.get("/search")
async def search_log(
    *,
    request: Request,
    build_id: str,
    asker: Asker,
    q: Annotated[str, Query(max_length=1000)],
    first: Number = 1,
    attempt: Attempt = None,
    case: bool = False,
) -> Response:
    """Some of the lines that have a text, from the `first` of all on."""
    build = await build_for(request, asker.person, build_id, Permission.LOGS_READ)
    async with _opened(request, build, attempt, asker) as log:
        found = await log.search(q, first=first, ignore_case=not case)
    hits = [
        {"number": hit.number, "line": hit.line, "html": str(row(line, begun(build)))}
        for hit in found.hits
        for line in hit.lines
        if line.number == hit.line
    ]
    return _json({"of": found.of, "more": found.more, "hits": hits})


@router.get("/raw")
async def raw_log(request: Request, build_id: str, asker: Asker, attempt: Attempt = None) -> Response:
    """All of it as a file, piece by piece."""
    build = await build_for(request, asker.person, build_id, Permission.LOGS_READ)
    try:
        number = attempt_of(build, attempt)
        pieces = _pieces(request, build, number, asker)
        await anext(pieces)  # opened, or refused before anything is sent
        pieces = while_allowed(pieces, still_may(request, asker.person, build, Permission.LOGS_READ))
    except NoLog as none:
        raise _not_found(none) from none
    name = f"build-{build.number}-{number}.log"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return ClosingResponse(pieces, headers=headers, media_type="text/plain; charset=utf-8")


async def _pieces(
    request: Request, build: BuildView, attempt: int, asker: Asker
) -> AsyncGenerator[bytes, None]:
    async with opened(request, build, attempt, asker.person) as log:
        raw = log.raw()
        first = await anext(raw, b"")  # a log that was altered is refused, as far as that is seen here
        yield b""
        yield first
        async for piece in raw:
            yield piece


class _opened:
    """As `opened`, for what is not a page: no log is 404."""

    def __init__(self, request: Request, build: BuildView, attempt: int | None, asker: Asker) -> None:
        self._log = opened(request, build, attempt, asker.person)

    async def __aenter__(self) -> OpenLog:
        try:
            return await self._log.__aenter__()
        except NoLog as none:
            raise _not_found(none) from none

    async def __aexit__(self, *error: Any) -> bool | None:
        return await self._log.__aexit__(*error)


def page_of(line: int) -> int:
    """The page a line is on."""
    return (line - 1) // PAGE + 1


def begun(build: BuildView) -> float:
    """What the times of lines are told from: when its first phase began, seconds since 1970."""
    first = min((phase.started_at for phase in build.phases), default=None)
    return first or build.started_at or build.created_at


def _not_found(none: NoLog) -> HTTPException:
    return HTTPException(404, f"{none.what} {none.do}".strip())


def _kept(page: LogPage, attempt: int | None) -> dict[str, str]:
    """Without the attempt an address means another log once there is a new one."""
    keep = KEPT if page.final and attempt is not None else ASKED_AGAIN
    return {"ETag": page.tag, "Cache-Control": keep, "Vary": "Cookie"}


def _json(content: object) -> Response:
    return Response(json.dumps(content), media_type="application/json")


def _failing_line(found: LogOutline, build: BuildView, attempt: int | None) -> int | None:
    """None while the attempt runs: where its log would open if it ended now is no failure yet."""
    is_over = found.complete or build.ended_at is not None or (attempt or build.attempt) < build.attempt
    return found.failing_line if is_over else None


def _outline(found: LogOutline, build: BuildView, attempt: int | None) -> dict[str, Any]:
    counted = iter(range(10**9))
    is_newest = attempt in (None, build.attempt)
    stopped = words.stopped_phases(build) if is_newest else frozenset()
    return {
        "total_lines": found.total_lines,
        "complete": found.complete,
        "groups": [_group(each, counted, stopped) for each in found.groups],
        "notes": [asdict(note) for note in found.notes],
        "failing_line": _failing_line(found, build, attempt),
    }


def _group(group: LogGroup, counted: Any, stopped: frozenset[str]) -> dict[str, Any]:
    """stopped: names of phases that were. So was a command that ended without an exit code."""
    is_stopped = group.ok is False and group.exit_code is None
    is_stopped = is_stopped and (group.kind == "command" or group.name in stopped)
    return {
        "id": next(counted),
        "kind": group.kind,
        "name": group.name,
        "first": group.first,
        "last": group.last,
        "lines": None if group.last is None else group.last - group.first + 1,
        "is_open": group.is_open,
        "ok": group.ok,
        "stopped": is_stopped,
        "exit_code": group.exit_code,
        "took": None if group.seconds is None else took(group.seconds),
        "groups": [_group(each, counted, stopped) for each in group.groups],
    }
