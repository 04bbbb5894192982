"""Signing in and out, and making the first owner by the link that the start of the server prints.

These pages are for anybody, so they say nothing of who or what is there. Guessing is slowed down, by where it
comes from and by whom it is about.
"""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from sealock.core.access import Person
from sealock.core.decision import Denied
from sealock.core.secret import Secret
from sealock.web.beginning import begin_session
from sealock.web.cookies import forget_session, session_of
from sealock.web.pages.forms import Faults, Form, read_form, see_other
from sealock.web.pages.frame import render, safe_next
from sealock.web.ports import WebPorts
from sealock.web.rates import SIGN_IN
from sealock.web.security import address_of

LONGEST = 1024
"""Characters of a field of these pages."""

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
async def sign_in_page(request: Request, next: str = "/") -> Response:
    """The page. next: where to go afterwards; anything but a path of ours is the dashboard."""
    if await _is_signed_in(request):
        return see_other(safe_next(next))
    return _sign_in_page(request, safe_next(next))


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Sign in: a new session, in the place of the one the browser came with."""
    form = await read_form(request)
    email, goes_to = form.text("email"), safe_next(form.get("next", "/"))
    await _count(request, email.lower())
    if _too_long(form):
        raise HTTPException(400, "A field is too long.")
    ports: WebPorts = request.app.state.ports
    with _secret(form, "password") as password:
        found = await ports.sign_in.check(email, password)
    if isinstance(found, Denied):
        return _sign_in_page(request, goes_to, email, found.reason, 401)
    return await _begin(request, found, goes_to)


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session of this browser, if it has one."""
    ports: WebPorts = request.app.state.ports
    if value := session_of(request):
        await ports.sessions.end(value)
    answer = see_other("/sign-in")
    forget_session(answer)
    return answer


@router.get("/setup/{link}")
async def setup_page(request: Request, link: str) -> Response:
    """The page that makes the first owner. Whether the link works is said when it is used."""
    return render(request, "setup.html", link=link[:LONGEST], values={}, faults={})


@router.post("/setup/{link}")
async def set_up(request: Request, link: str) -> Response:
    """Make the first owner, and sign them in."""
    await _count(request, "setup")
    form, faults = await read_form(request), Faults()
    ports: WebPorts = request.app.state.ports
    if _too_long(form) or len(link) > LONGEST:
        raise HTTPException(400, "A field is too long.")
    if form.get("password") != form.get("again"):
        faults.add("again", "The two passwords are not the same.")
    found: Person | Denied | None = None
    if not faults:
        with _secret(form, "password") as password, faults.naming(""):
            found = await ports.setup.finish(link, form.text("email"), form.text("name"), password)
    if isinstance(found, Person):
        return await _begin(request, found, "/")
    if isinstance(found, Denied):
        faults.add("", found.reason)
    values = {name: form.text(name) for name in ("name", "email")}
    status = 403 if isinstance(found, Denied) else 422
    return render(request, "setup.html", status, link=link, values=values, faults=faults.found)


def _sign_in_page(
    request: Request, goes_to: str, email: str = "", fault: str = "", status: int = 200
) -> Response:
    return render(request, "sign_in.html", status, next=goes_to, email=email, fault=fault)


async def _begin(request: Request, person: Person, goes_to: str) -> Response:
    answer = see_other(goes_to)
    await begin_session(request, answer, person)
    return answer


async def _is_signed_in(request: Request) -> bool:
    ports: WebPorts = request.app.state.ports
    value = session_of(request)
    return bool(value) and await ports.sessions.read(value or "") is not None


async def _count(request: Request, about: str) -> None:
    ports: WebPorts = request.app.state.ports
    if not await ports.rates.count(SIGN_IN, address_of(request.scope), about[:LONGEST]):
        raise HTTPException(429, "Too many tries. Wait a minute.", {"Retry-After": "60"})


def _secret(form: Form, name: str) -> Secret:
    return Secret(form.get(name, "").encode(errors="replace"))


def _too_long(form: Form) -> bool:
    return any(len(value) > LONGEST for _, value in form.pairs)
