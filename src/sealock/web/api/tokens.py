"""One's tokens. They are made, listed and ended in a browser: no token makes another, to outlive itself."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import AfterValidator, Field, WithJsonSchema

from sealock.core.access import TOKEN_PERMISSIONS, ApiToken, Permission
from sealock.web.api.errors import missing, naming
from sealock.web.api.lists import Cursor, Limit, part
from sealock.web.api.once import IdempotencyKey, once
from sealock.web.api.shapes import WHOLE, Given, Items, Told
from sealock.web.asking import Asker, AsksInPerson
from sealock.web.ports import WebPorts
from sealock.web.written import TOKEN_NAME

router = APIRouter(tags=["tokens"])

InPerson = Annotated[Asker, Depends(AsksInPerson(Permission.OWN_TOKENS_WRITE))]


def _opens_something(permission: Permission) -> Permission:
    if permission not in TOKEN_PERMISSIONS:
        raise ValueError("there is nothing that a token may do by this")
    return permission


Scope = Annotated[
    Permission,
    Field(strict=False),
    AfterValidator(_opens_something),
    WithJsonSchema({"enum": sorted(TOKEN_PERMISSIONS)}),
]


class NewToken(Given):
    """permissions: what it may do, of what you may. days: until it ends."""

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=TOKEN_NAME)]
    permissions: Annotated[list[Scope], Field(min_length=1, max_length=len(TOKEN_PERMISSIONS))]
    days: Annotated[int, Field(ge=1, le=366), WHOLE] = 90


class Token(Told):
    """A live token, without its text."""

    id: str
    name: str
    account: str
    permissions: list[Permission]
    created_at: float
    expires_at: float
    used_at: float | None

    @staticmethod
    def of(token: ApiToken) -> Token:
        return Token(**_token(token))


class MadeToken(Token):
    """token: its text, shown this once; null where the request is sent again."""

    token: str | None


@router.get("/tokens")
async def list_tokens(
    request: Request, asker: InPerson, cursor: Cursor = None, limit: Limit = 100
) -> Items[Token]:
    """One's live tokens of an account."""
    ports: WebPorts = request.app.state.ports
    mine = [one for one in await ports.tokens.all_of(asker.person) if one.account == asker.account]
    question = ("tokens", asker.person.id, asker.account)
    return part(mine, lambda one: one.id, Token.of, question=question, cursor=cursor, limit=limit)


@router.post("/tokens", status_code=201, response_model=MadeToken)
async def make_token(
    request: Request, asker: InPerson, new: NewToken, key: IdempotencyKey = None
) -> Response:
    """A new token. It can do at most what you may, and ends."""
    ports: WebPorts = request.app.state.ports

    async def make() -> Told:
        wanted = frozenset(new.permissions)
        with naming("permissions"):
            made, text = await ports.tokens.make(asker.person, asker.account, new.name, wanted, new.days)
        with text:
            return MadeToken(**_token(made), token=text.reveal().decode())

    return await once(request, asker, key, make, shown_once=("token",))


@router.delete("/tokens/{token}", status_code=204)
async def end_token(
    request: Request,
    token: Annotated[str, Path(max_length=100, description="Its id.")],
    asker: InPerson,
) -> None:
    """End one of one's own tokens."""
    ports: WebPorts = request.app.state.ports
    if not token.isprintable() or not await ports.tokens.revoke(asker.person, token):
        raise missing("token")


def _token(token: ApiToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "account": token.account,
        "permissions": sorted(token.permissions),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "used_at": token.used_at,
    }
