"""Setting up, signing in and out, and one's sessions, as requests of the API."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import Field, SecretStr

from sealock.core.access import Person, SignedIn
from sealock.core.decision import Denied
from sealock.core.secret import Secret
from sealock.web.beginning import begin_session
from sealock.web.bounded import Bounded
from sealock.web.cookies import forget_session, session_of
from sealock.web.ports import WebPorts
from sealock.web.rates import SIGN_IN
from sealock.web.security import address_of

router = APIRouter(prefix="/api")

_Text = Annotated[str, Field(max_length=1024)]
_Password = Annotated[SecretStr, Field(max_length=1024)]


class Credentials(Bounded):
    """What one signs in with."""

    email: _Text
    password: _Password


class FirstOwner(Credentials):
    """Who sets the installation up. link: what the link from the start of the website ends in."""

    link: _Text
    name: _Text


async def signed_in(request: Request) -> SignedIn:
    """Who asks, by their session; 401 for anybody else. Each route says that it needs this."""
    ports: WebPorts = request.app.state.ports
    value = session_of(request)
    found = await ports.sessions.read(value) if value else None
    if found is None:
        raise HTTPException(401, "Please sign in.")
    return found


Asker = Annotated[SignedIn, Depends(signed_in)]


@router.post("/setup", status_code=204)
async def set_up(request: Request, response: Response, owner: FirstOwner) -> None:
    """Make the first owner, and sign them in."""
    ports: WebPorts = request.app.state.ports
    await _count(request, ports, "setup")
    password = Secret(owner.password.get_secret_value().encode(errors="replace"))
    person = await ports.setup.finish(owner.link, owner.email, owner.name, password)
    await _begin(request, response, person)


@router.post("/session", status_code=204)
async def sign_in(request: Request, response: Response, given: Credentials) -> None:
    """Sign in: a new session, in the place of the one the browser came with."""
    ports: WebPorts = request.app.state.ports
    await _count(request, ports, given.email.strip().lower())
    password = Secret(given.password.get_secret_value().encode(errors="replace"))
    await _begin(request, response, await ports.sign_in.check(given.email, password))


@router.get("/session")
async def who_am_i(asker: Asker) -> dict[str, Any]:
    """Who is signed in."""
    person = asker.person
    roles = [{"account": one.account, "role": one.role} for one in person.memberships]
    return {"id": person.id, "email": person.email, "name": person.name, "roles": roles}


@router.delete("/session", status_code=204)
async def sign_out(request: Request, response: Response, asker: Asker) -> None:
    """End this session."""
    ports: WebPorts = request.app.state.ports
    await ports.sessions.revoke(asker.person, asker.session.id)
    forget_session(response)


@router.get("/sessions")
async def list_sessions(request: Request, asker: Asker) -> list[dict[str, Any]]:
    """One's live sessions, newest first."""
    ports: WebPorts = request.app.state.ports
    return [
        {
            "id": one.id,
            "created_at": one.created_at,
            "seen_at": one.seen_at,
            "agent": one.agent,
            "address": one.address,
            "here": one.id == asker.session.id,
        }
        for one in await ports.sessions.all_of(asker.person)
    ]


@router.delete("/sessions/{session_id}", status_code=204)
async def end_session(request: Request, session_id: str, asker: Asker) -> None:
    """End one of one's own sessions."""
    ports: WebPorts = request.app.state.ports
    if not await ports.sessions.revoke(asker.person, session_id):
        raise HTTPException(404, "You have no such session.")


async def _begin(request: Request, response: Response, person: Person | Denied) -> None:
    if isinstance(person, Denied):
        raise HTTPException(401, person.reason)
    await begin_session(request, response, person)


async def _count(request: Request, ports: WebPorts, account: str) -> None:
    if not await ports.rates.count(SIGN_IN, address_of(request.scope), account):
        raise HTTPException(429, "Too many tries. Wait a minute.", {"Retry-After": "60"})
