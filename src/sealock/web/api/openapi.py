"""The description of the API, OpenAPI 3.1: made of the doors themselves, so it cannot say another thing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.routing import RouteContext, iter_route_contexts

from sealock.web.api.shapes import Problem, WrongField
from sealock.web.asking import Asks, AsksInstallation
from sealock.web.cookies import NAME

router = APIRouter(include_in_schema=False)
PREFIX = "/api/v1"
PROBLEM = "application/problem+json"

ABOUT = """What the pages of this website can do, for programs.

Every request carries a token, made on the page of one's account: `Authorization: Bearer slk_…`. A token can
do what it was made for, of what its person may do, in one account.

Times are seconds since 1970. Lists come as `{"items": […], "next": …}`; `next` is the `cursor` of what
follows. What makes something takes an `Idempotency-Key`. Errors are `application/problem+json`, with `fields`
where some are wrong; 429 says in `Retry-After` when to come again. What belongs to another account is not
found.
"""

_SCHEMES = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token, `slk_…`, from the page of one's account.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": NAME,
        "description": "A browser that is signed in, from the website's own pages only.",
    },
}
_COMMON = {
    "401": "Nobody we know.",
    "403": "The token or the role does not allow it, or another website sent it.",
    "404": "There is none, as far as who asks may know.",
    "422": "Some fields are wrong; `fields` says which.",
    "429": "Too often; come again after `Retry-After` seconds.",
    "default": "Another error.",
}


@router.get("/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    """The description."""
    return JSONResponse(description_of(request.app))


def description_of(app: FastAPI) -> dict[str, Any]:
    """As `describe`, made once for an application."""
    if not hasattr(app.state, "openapi"):
        app.state.openapi = describe(app, app.state.ports.service.site.version)
    found: dict[str, Any] = app.state.openapi
    return found


def describe(app: FastAPI, version: str) -> dict[str, Any]:
    """The description of what is below `PREFIX`."""
    routes = list(doors(app))
    found = get_openapi(
        title="Sealock", version=version, openapi_version="3.1.0", description=ABOUT, routes=routes
    )
    found["components"]["securitySchemes"] = _SCHEMES
    for model in (Problem, WrongField):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schema.pop("$defs", None)
        found["components"]["schemas"][model.__name__] = schema
    for name in ("HTTPValidationError", "ValidationError"):
        found["components"]["schemas"].pop(name, None)
    for route in routes:
        for method in route.methods or ():
            _complete(found["paths"].get(route.path, {}).get(method.lower()), asks_of(route))
    return found


def doors(app: FastAPI) -> Iterator[RouteContext]:
    """Every route of the API."""
    for route in iter_route_contexts(app.routes):
        if str(route.path).startswith(PREFIX + "/"):
            yield route


def asks_of(route: RouteContext) -> Sequence[Asks | AsksInstallation]:
    """What stands before a route: exactly one, or none where it is for anybody."""
    dependant = getattr(route, "dependant", None)
    return list(dict.fromkeys(_asks(dependant))) if dependant else []


def _asks(dependant: Any) -> Iterator[Asks | AsksInstallation]:
    for below in dependant.dependencies:
        if isinstance(below.call, Asks | AsksInstallation):
            yield below.call
        yield from _asks(below)


def _complete(operation: dict[str, Any] | None, asks: Sequence[Asks | AsksInstallation]) -> None:
    if operation is None:
        return
    tokens = all(one.tokens for one in asks)
    operation["security"] = [{"token": []}, {"session": []}] if tokens else [{"session": []}]
    needs = [f"Needs `{one.permission}`." for one in asks if one.permission]
    operation["description"] = "\n\n".join([operation.get("description", ""), *needs]).strip()
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _said(parameter["schema"])
    refusal = {"schema": {"$ref": "#/components/schemas/Problem"}}
    for status, meaning in _COMMON.items():
        operation["responses"][status] = {"description": meaning, "content": {PROBLEM: refusal}}


def _said(schema: dict[str, Any]) -> dict[str, Any]:
    """Of a parameter: it is left out or says something, and the text `null` is something."""
    kinds: list[dict[str, Any]] = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {name: value for name, value in schema.items() if name != "anyOf"} | kinds[0]
