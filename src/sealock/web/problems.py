"""Errors as `application/problem+json` (RFC 9457), the same from everywhere.

They say what the person who asked can do something about. What went wrong inside stands in our log, under
the request's id, which is in the answer too.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sealock.core.errors import SealockError, TemporaryError, UsageError
from sealock.web.written import wrong_word

log = logging.getLogger(__name__)


def problem(
    status: int,
    detail: str = "",
    *,
    request_id: str,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> Response:
    """An answer that is an error. detail: a sentence for who asked. more: members of its own."""
    content: dict[str, object] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if detail:
        content["detail"] = detail
    content |= {"request_id": request_id, **more}
    return Response(json.dumps(content), status, headers, "application/problem+json")


_OF_A_FIELD = re.compile(r"[a-z_][\w.]*: ")


def sentence(error: SealockError, *, advice: bool = True) -> str:
    """What happened, beginning with a capital or with the name of the field it is about, and what to do."""
    text = f"{error.brief}. {error.resolution if advice else ''}".strip()
    return text if _OF_A_FIELD.match(text) else text[:1].upper() + text[1:]


def tell_problems(app: FastAPI) -> None:
    """Have every error of the application told as a problem."""
    app.add_exception_handler(HTTPException, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(SealockError, _ours)
    app.add_exception_handler(Exception, _unexpected)


def request_id_of(request: Request) -> str:
    """What this request is called in the log and in its answer."""
    return str(request.scope.get("state", {}).get("request_id", ""))


def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    usual = HTTPStatus(error.status_code).phrase
    detail = error.detail if error.detail != usual else ""
    return problem(error.status_code, detail, request_id=request_id_of(request), headers=error.headers)


def _invalid(request: Request, error: Exception) -> Response:
    """Each field that is wrong, and why; never its value, which may be a password."""
    assert isinstance(error, RequestValidationError)
    wrong = [
        {"field": ".".join(str(part) for part in one["loc"][1:])[:200], "reason": wrong_word(one)}
        for one in error.errors()[:20]
    ]
    return problem(422, "Some fields are wrong.", request_id=request_id_of(request), fields=wrong)


def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, SealockError)
    request_id = request_id_of(request)
    if isinstance(error, UsageError):
        return problem(400, sentence(error), request_id=request_id)
    log.error("request %s: %s", request_id, error, exc_info=error)
    if isinstance(error, TemporaryError):
        later = {"Retry-After": "10"}
        return problem(503, "Please try again in some seconds.", request_id=request_id, headers=later)
    return problem(500, request_id=request_id)


def _unexpected(request: Request, _: Exception) -> Response:
    # Whoever stands before the application writes it to the log.
    return problem(500, request_id=request_id_of(request))
