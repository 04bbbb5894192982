"""Who asks, for which account, and whether they may: the barrier before every door of the API.

    Asks(permission)            a token, or a browser that is signed in; in one account
    AsksInstallation(permission)   the same, for what belongs to no account, such as workers
    AsksInPerson(permission)    a browser alone: what a token must not do, such as make tokens

A route names exactly one of these, and so one permission. What a token or a role does not allow is refused
before anything is looked up, so that a refusal says nothing of what is there. A token wins over a cookie, and
a wrong one over both: nobody who meant to come as a program is let in as somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from sealock.core.access import ApiToken, Permission, Person, may, token_may
from sealock.core.decision import Decision, Denied
from sealock.web.cookies import session_of
from sealock.web.cross_origin import SAFE_METHODS
from sealock.web.ports import ServicePorts, WebPorts
from sealock.web.rates import Rate, Rates, TooOften
from sealock.web.security import address_of

READS = Rate("api-reads", "600/minute")
WRITES = Rate("api-writes", "120/minute")
"""Of one token, or one person's browsers, from wherever. `rates.EVERYTHING` counts addresses before."""
STRANGERS = Rate("api-strangers", "60/minute")
"""Of one address that shows what opens nothing."""

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="Sealock"'}
_BEARER = re.compile(r"bearer +([!-~]{1,256})", re.IGNORECASE)


@dataclass(frozen=True)
class Asker:
    """Who asks. account: the one it is about, `` for the installation. token: None in a browser."""

    person: Person
    account: str
    token: ApiToken | None = None

    @property
    def caller(self) -> str:
        """Whom what they do is counted and remembered for: an id."""
        return self.token.id if self.token else self.person.id

    def may(self, permission: Permission) -> Decision:
        """Whether they may do this, in that account."""
        if self.token is not None:
            return token_may(self.token, self.person, self.account, permission)
        return may(self.person, self.account, permission)


class Asks:
    """In one account: the token's, the person's only one, or the one they name."""

    tokens = True

    def __init__(self, permission: Permission | None) -> None:
        self.permission = permission

    async def __call__(
        self,
        request: Request,
        account: Annotated[
            str | None,
            Query(max_length=64, description="Which account, by id, of a person who has several."),
        ] = None,
    ) -> Asker:
        person, token = await _who(request, tokens=self.tokens)
        named = request.path_params.get("account_id") if account is None else account
        asker = Asker(person, _account(person, token, named), token)
        _refuse_unless(asker, self.permission)
        _refuse_unknown_parameters(request)
        return asker


class AsksInPerson(Asks):
    """In one account, and never by a token."""

    tokens = False


class AsksInstallation:
    """For what belongs to no account."""

    tokens = True

    def __init__(self, permission: Permission | None) -> None:
        self.permission = permission

    async def __call__(self, request: Request) -> Asker:
        person, token = await _who(request, tokens=True)
        asker = Asker(person, "", token)
        _refuse_unless(asker, self.permission)
        _refuse_unknown_parameters(request)
        return asker


def service_of(request: Request) -> ServicePorts:
    """What pages and API work on."""
    ports: WebPorts = request.app.state.ports
    assert ports.service is not None, "pages and API are there only with what they work on"
    return ports.service


async def still_may(request: Request, asker: Asker, permission: Permission) -> bool:
    """Whether who was let in would be let in now: for what lasts long, such as a stream."""
    try:
        person, token = await _found(request)
    except HTTPException:
        return False
    now = Asker(person, asker.account, token)
    return now.caller == asker.caller and bool(now.may(permission))


async def _who(request: Request, *, tokens: bool) -> tuple[Person, ApiToken | None]:
    ports: WebPorts = request.app.state.ports
    try:
        person, token = await _found(request)
    except HTTPException:
        await _count(ports.rates, STRANGERS, address_of(request.scope))
        raise
    rate = READS if request.method in SAFE_METHODS else WRITES
    await _count(ports.rates, rate, token.id if token else person.id)
    if token is not None and not tokens:
        raise HTTPException(403, "This is done in a browser, signed in; a token cannot.")
    return person, token


async def _found(request: Request) -> tuple[Person, ApiToken | None]:
    ports: WebPorts = request.app.state.ports
    if shown := request.headers.getlist("authorization"):
        form = _BEARER.fullmatch(shown[0]) if len(shown) == 1 else None
        used = await ports.tokens.read(form[1]) if form else None
        if used is None:
            raise HTTPException(401, "This token opens nothing, or no longer.", CHALLENGE)
        return used.person, used.token
    value = session_of(request)
    signed_in = await ports.sessions.read(value) if value else None
    if signed_in is None:
        raise HTTPException(401, "Please sign in, or send a token.", CHALLENGE)
    return signed_in.person, None


async def _count(rates: Rates, rate: Rate, whom: str) -> None:
    counted = await rates.count(rate, whom)
    if isinstance(counted, TooOften):
        raise HTTPException(429, "Too many requests.", {"Retry-After": str(counted.retry_after)})


def _account(person: Person, token: ApiToken | None, named: str | None) -> str:
    """404 for an account that is not theirs, as for one that is not there."""
    theirs = sorted({one.account for one in person.memberships if one.account})
    if token is not None:
        theirs = [token.account]
    if named is not None and named not in theirs:
        raise HTTPException(404, "There is no such account.")
    if named is None and len(theirs) > 1:
        wrong = {
            "loc": ("query", "account"),
            "msg": "You have several accounts: name one.",
            "type": "several",
        }
        raise RequestValidationError([wrong])
    if not theirs:
        raise HTTPException(403, "You belong to no account.")
    return named or theirs[0]


def _refuse_unless(asker: Asker, permission: Permission | None) -> None:
    decision = asker.may(permission) if permission is not None else None
    if isinstance(decision, Denied):
        raise HTTPException(403, decision.reason)


def _refuse_unknown_parameters(request: Request) -> None:
    """One that is misspelled would otherwise be taken for one that was not given."""
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    known = set(_parameters(route.dependant))
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        wrong = "" if name in known else "There is no such parameter."
        if not wrong and given.count(name) > 1:
            wrong = "It is given more than once."
        if wrong:
            raise RequestValidationError([{"loc": ("query", name), "msg": wrong, "type": "extra"}])


def _parameters(dependant: Any) -> Iterator[str]:
    yield from (one.alias for one in dependant.query_params)
    for below in dependant.dependencies:
        yield from _parameters(below)
