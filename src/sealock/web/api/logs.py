"""The log of a build: lines, what a search found, its outline, all of it as text; and its end."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response

from sealock.core.access import Permission
from sealock.core.errors import UsageError
from sealock.core.log_pages import OpenLog
from sealock.web.api.errors import naming
from sealock.web.api.found import BuildPath, build_of
from sealock.web.api.log_shapes import Hits, Line, Lines, Outline
from sealock.web.api.opened_log import OpenedLog, Reader, run_of
from sealock.web.api.receipts import Attempt
from sealock.web.asking import Asker, Asks, service_of, still_may
from sealock.web.closing import ClosingResponse, while_allowed
from sealock.web.problems import sentence

router = APIRouter(tags=["logs"])

MOST_LINES = 1000
"""Of one answer in JSON; as plain text it is ten times as many."""
LAST_LINE = 10**12 - 1
PLAIN_TEXT = "text/plain; charset=utf-8"
TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

First = Annotated[int, Query(ge=1, le=LAST_LINE)]


@router.get("/builds/{build}/log", responses=TEXT, response_model=Lines)
async def show_lines(
    opened: OpenedLog,
    first: First = 1,
    last: Annotated[int | None, Query(ge=1, le=LAST_LINE)] = None,
    accept: Annotated[str, Header(max_length=1024, include_in_schema=False)] = "*/*",
) -> Response | Lines:
    """Lines from `first` to `last`, a thousand at most; as plain text, up to ten thousand, for who accepts
    `text/plain` first."""
    if prefers_text(accept):
        until = first + 10 * MOST_LINES - 1
        with naming("first", "query"):
            text = await opened.log.text(
                first, until if last is None else min(last, until), colours=False, times=False
            )
        return Response(text, 200, {"Vary": "Accept"}, PLAIN_TEXT)
    until = first + MOST_LINES - 1
    return await _lines(opened.log, first, until if last is None else min(last, until))


@router.get("/builds/{build}/log/search")
async def search_log(
    opened: OpenedLog,
    q: Annotated[str, Query(min_length=1, max_length=1000, description="The text, as it is printed.")],
    first: Annotated[int, Query(ge=1, le=LAST_LINE, description="Number of the first hit.")] = 1,
    ignore_case: bool = True,
) -> Hits:
    """A few lines that have a text, with those around each."""
    with naming("q", "query"):
        return Hits.told(await opened.log.search(q, first=first, ignore_case=ignore_case))


@router.get("/builds/{build}/log/outline")
async def show_outline(opened: OpenedLog) -> Outline:
    """Its groups and notes, and the line at which it failed."""
    return Outline.of(await opened.log.outline())


@router.get("/builds/{build}/log/raw", responses=TEXT, response_class=Response)
async def show_all(request: Request, asker: Reader, opened: OpenedLog) -> Response:
    """All of it as plain text. An answer that is cut in its middle was one whose token was revoked."""
    name = f"{opened.build.project_name}-{opened.build.number}.log"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    pieces = while_allowed(opened.log.raw(), lambda: still_may(request, asker, Permission.LOGS_READ))
    return ClosingResponse(pieces, headers=headers, media_type=PLAIN_TEXT)


@router.delete("/builds/{build}/log", status_code=204)
async def remove_log(
    request: Request,
    build: BuildPath,
    asker: Annotated[Asker, Depends(Asks(Permission.PROJECTS_WRITE))],
    attempt: Attempt = None,
) -> None:
    """Remove the log of an attempt for good: its key, then itself."""
    service = service_of(request)
    view = await build_of(service, asker, build)
    try:
        await service.logs.remove(view.account, view.project, run_of(view, attempt), person=asker.person.id)
    except UsageError as error:
        raise HTTPException(404, sentence(error)) from error


async def _lines(log: OpenLog, first: int, last: int) -> Lines:
    """By the pages they are on; how long those are, the first one says."""
    page = await log.page(1)
    total, size = page.total_lines, max(1, len(page.lines))
    wanted = range(first, min(last, total) + 1)
    found = []
    if wanted:
        for number in range((wanted[0] - 1) // size + 1, (wanted[-1] - 1) // size + 2):
            lines = (page if number == 1 else await log.page(number)).lines
            found += [Line.of(line) for line in lines if line.number in wanted]
    following = wanted[-1] + 1 if wanted and wanted[-1] < total else None
    return Lines(items=found, next=following, total_lines=total)


def prefers_text(accept: str) -> bool:
    """Whether `text/plain` is more welcome than JSON, which is what nobody in particular gets."""
    wanted = dict(_ranges(accept))
    text = wanted.get("text/plain", wanted.get("text/*", wanted.get("*/*", 0.0)))
    json = wanted.get("application/json", wanted.get("application/*", wanted.get("*/*", 0.0)))
    return text > json


def _ranges(accept: str) -> list[tuple[str, float]]:
    found = []
    for one in accept.split(","):
        kind, *parameters = [part.strip().lower() for part in one.split(";")]
        weight = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        try:
            found.append((kind, float(weight)))
        except ValueError:
            continue
    return found
