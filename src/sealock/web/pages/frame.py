"""What all pages have in common: who asks, the frame around the page, and how a template becomes an answer.

    Asker                  somebody who is signed in; anybody else is sent to sign in
    Needs(permission)      the same, and they may do this in their account; else 403
    render(request, …)     a template, with what every page shows

A page's address is answered by a page, a form by going to one (`forms.see_other`). What a role does not allow
has no button, and its form is refused all the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, HTTPException, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from sealock.core.access import Permission, Person, WebSession, may
from sealock.core.builds import BuildView
from sealock.core.decision import Decision, Denied
from sealock.web.asking import READS, WRITES
from sealock.web.cookies import session_of
from sealock.web.cross_origin import SAFE_METHODS
from sealock.web.pages import shown
from sealock.web.pages.build_words import took
from sealock.web.pages.preferences import preferences
from sealock.web.pages.static import static
from sealock.web.ports import WebPorts
from sealock.web.rates import TooOften

_NEXT = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}")


@dataclass(frozen=True)
class Viewer:
    """Who looks at a page. account: whose things it shows, an id; `` for somebody of none."""

    person: Person
    session: WebSession
    account: str

    def may(self, permission: Permission | str) -> Decision:
        """Whether they may do this. In templates by the permission's text."""
        wanted = Permission(permission)
        return may(self.person, wanted.account_of(self.account), wanted)


async def asking(request: Request) -> Viewer:
    """Who asks. Who is not signed in is sent there (303), but a script is told so (401)."""
    ports: WebPorts = request.app.state.ports
    value = session_of(request)
    found = await ports.sessions.read(value) if value else None
    if found is None:
        raise _sign_in_first(request)
    rate = READS if request.method in SAFE_METHODS else WRITES
    counted = await ports.rates.count(rate, found.person.id)
    if isinstance(counted, TooOften):
        raise HTTPException(429, "Too many requests.", {"Retry-After": str(counted.retry_after)})
    accounts = sorted({one.account for one in found.person.memberships if one.account})
    viewer = Viewer(found.person, found.session, next(iter(accounts), ""))
    request.state.viewer = viewer
    return viewer


Asker = Annotated[Viewer, Depends(asking)]


class Needs:
    """A dependency: who asks, if they may do this; 403 for others."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, asker: Asker) -> Viewer:
        decision = asker.may(self.permission)
        if isinstance(decision, Denied):
            raise HTTPException(403, decision.reason)
        return asker


def safe_next(path: str) -> str:
    """Where to go after signing in, if it is a path of ours; else the dashboard."""
    return path if _NEXT.fullmatch(path) else "/"


def render(
    request: Request, template: str, status_code: int = 200, *, asker: Viewer | None = None, **values: Any
) -> Response:
    """A template as a page. asker: who is signed in, if the address is for others too."""
    ports: WebPorts = request.app.state.ports
    common = {
        "asker": asker or getattr(request.state, "viewer", None),
        "path": request.url.path,
        "site": ports.service.site if ports.service else None,
        **preferences(request),
    }
    text = ENVIRONMENT.get_template(template).render(common | values)
    return HTMLResponse(text, status_code)


def status_of(build: BuildView) -> str:
    """The one word for how a build stands, by which its icon and its colour go."""
    return build.status


def _sign_in_first(request: Request) -> HTTPException:
    by_script = "x-part" in request.headers or "text/event-stream" in request.headers.get("accept", "")
    if by_script:
        return HTTPException(401, "Please sign in.")
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = here if request.method in SAFE_METHODS and safe_next(here) == here and here != "/" else ""
    where = f"/sign-in?next={quote(back, safe='/')}" if back else "/sign-in"
    return HTTPException(303, "Please sign in.", {"Location": where})


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("sealock.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown.put_out,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        moment=shown.moment, ago=shown.ago, day=shown.day, visible=shown.visible, coded=shown.coded
    )
    made.globals.update(static=static, status_of=status_of, spent=took, Permission=Permission)
    return made


ENVIRONMENT = _environment()
