"""The token a request shows: whose it is, and its end.

A token makes no other and lists none; but that it can end itself takes nothing from anybody, and is how a
command line signs out.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request

from sealock.core.access import ApiToken
from sealock.web.api.shapes import Told
from sealock.web.api.tokens import Token
from sealock.web.asking import Asker, Asks
from sealock.web.ports import WebPorts

router = APIRouter(tags=["tokens"])

Anybody = Annotated[Asker, Depends(Asks(None))]


class Holder(Told):
    """Whom a token acts for."""

    id: str
    email: str
    name: str


class OwnToken(Token):
    """With its person."""

    person: Holder


@router.get("/token")
async def show_own_token(asker: Anybody) -> OwnToken:
    """The token this request shows. 404 in a browser, which shows none."""
    person = asker.person
    holder = Holder(id=person.id, email=person.email, name=person.name)
    return OwnToken(**Token.of(_shown(asker)).model_dump(), person=holder)


@router.delete("/token", status_code=204)
async def end_own_token(request: Request, asker: Anybody) -> None:
    """End the token this request shows."""
    ports: WebPorts = request.app.state.ports
    await ports.tokens.revoke(asker.person, _shown(asker).id)


def _shown(asker: Asker) -> ApiToken:
    if asker.token is None:
        raise HTTPException(404, "This request shows no token.")
    return asker.token
