"""The one cookie: who is signed in.

`__Host-` makes browsers hold us to it: they take such a cookie only over HTTPS, for this very host and all of
its paths, so that a neighbour under the same domain cannot plant one.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from sealock.core.secret import Secret

NAME = "__Host-sealock"


def keep_session(response: Response, value: Secret) -> None:
    """Have the browser keep a session, until it is closed or the session ends here."""
    response.set_cookie(NAME, value.reveal().decode(), path="/", secure=True, httponly=True, samesite="lax")


def forget_session(response: Response) -> None:
    """Have the browser forget it."""
    response.delete_cookie(NAME, path="/", secure=True, httponly=True, samesite="lax")


def session_of(request: Request) -> str | None:
    """What the browser keeps; it may be anything."""
    return request.cookies.get(NAME)
