"""How a session begins, whichever door somebody came in by."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from sealock.core.access import Person
from sealock.web.cookies import keep_session, session_of
from sealock.web.ports import WebPorts
from sealock.web.security import address_of


async def begin_session(request: Request, answer: Response, person: Person) -> None:
    """Have the answer's browser keep a new session, in the place of the one it came with."""
    ports: WebPorts = request.app.state.ports
    value = await ports.sessions.begin(
        person,
        before=session_of(request),
        agent=request.headers.get("user-agent", ""),
        address=address_of(request.scope),
    )
    keep_session(answer, value)
