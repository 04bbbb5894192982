"""Errors for people: a page that says what happened and where to go, in the place of a problem in JSON.

Only who asks for HTML gets one, and never from the API: programs keep what they know how to read.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sealock.core.errors import SealockError
from sealock.web.pages.frame import asking, render

NEXT = {
    403: "Ask an owner of the account for a role that may.",
    404: "It may have been removed, or belong to an account that you are not in.",
    429: "Wait a minute, then load the page again.",
    503: "Load the page again in some seconds.",
    500: "Tell who runs the server, with the request's id: its log says what went wrong.",
}


def show_errors(app: FastAPI) -> None:
    """Wrap what tells problems, so that browsers get pages. To be called behind `tell_problems`."""
    for kind, handler in list(app.exception_handlers.items()):
        app.add_exception_handler(kind, _for_browsers(handler))


def _for_browsers(handler: Callable[..., Any]) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Exception) -> Response:
        answer = handler(request, error)
        told: Response = await answer if isinstance(answer, Awaitable) else answer
        if told.status_code < 400 or not wants_page(request):
            return told
        if told.status_code == HTTPStatus.NOT_FOUND:
            await _recognise(request)
        return page_of(request, told)

    return handle


async def _recognise(request: Request) -> None:
    """At an address where nothing is nobody has asked yet who asks; who is signed in finds their way back."""
    if not hasattr(request.state, "viewer"):
        with suppress(HTTPException, SealockError):
            await asking(request)


def wants_page(request: Request) -> bool:
    """Whether who asks reads pages."""
    is_page = not request.url.path.startswith(("/api/", "/hooks/", "/static/"))
    return is_page and "text/html" in request.headers.get("accept", "") and "x-part" not in request.headers


def page_of(request: Request, told: Response) -> Response:
    """The page that says what a problem says."""
    problem = json.loads(bytes(told.body))
    title = HTTPStatus(told.status_code).phrase.capitalize()
    page = render(
        request,
        "error.html",
        told.status_code,
        title=title,
        detail=problem.get("detail", ""),
        fields=problem.get("fields", []),
        request_id=problem.get("request_id", ""),
        do=NEXT.get(told.status_code, ""),
    )
    for name in ("retry-after", "allow"):
        if name in told.headers:
            page.headers[name] = told.headers[name]
    return page
