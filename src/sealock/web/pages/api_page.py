"""The API, described for people: each door with what it takes and tells, made of the same description that
programs get. It is put together here and loads nothing, least of all from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from sealock.web.api.openapi import PREFIX, description_of
from sealock.web.pages.frame import Asker, render

_NEEDS = re.compile(r"\s*Needs `([a-z:]+)`\.\Z")
_LIST = re.compile(r"Items_(\w+)_")
"""What the framework calls a part of a list."""
_EVERYWHERE = frozenset({"account", "Idempotency-Key"})
"""Parameters that the page explains once."""
_WORDS = {"integer": "whole number", "boolean": "true or false", "string": "text"}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Field:
    """A parameter, or a field of a shape. kind: words for its type."""

    name: str
    kind: str
    needed: bool
    about: str = ""


@dataclass(frozen=True)
class Door:
    """One method of one path. permission: that it needs, `` for none. takes, tells: names of shapes."""

    method: str
    path: str
    about: str
    permission: str
    parameters: tuple[Field, ...]
    takes: str
    tells: str
    once: bool


@dataclass(frozen=True)
class Shape:
    """An object of JSON, or a text that is one of some words."""

    name: str
    about: str
    fields: tuple[Field, ...]
    words: tuple[str, ...]


@router.get("/api")
async def api_page(request: Request, asker: Asker) -> Response:
    """Every door and every shape."""
    description = description_of(request.app)
    groups, shapes = doors_of(description), shapes_of(description)
    return render(request, "api.html", prefix=PREFIX, groups=groups, shapes=shapes)


def doors_of(description: Mapping[str, Any]) -> dict[str, list[Door]]:
    """Every door, by what it is about."""
    found: dict[str, list[Door]] = {}
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            found.setdefault(operation["tags"][0], []).append(_door(method.upper(), path, operation))
    return found


def shapes_of(description: Mapping[str, Any]) -> list[Shape]:
    """Every shape that a door names, by name."""
    schemas = description["components"]["schemas"]
    return [
        Shape(
            name,
            schema.get("description", "") if schema.get("type") == "object" else "",
            tuple(_fields(schema)),
            tuple(str(word) for word in schema.get("enum", ())),
        )
        for name, schema in sorted(schemas.items())
        if not _LIST.fullmatch(name)
    ]


def kind_of(schema: Mapping[str, Any]) -> str:
    """The type in words: `text`, `list of Build`, `whole number or null`."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[1]
        part = _LIST.fullmatch(name)
        return f"a list of {part[1]}" if part else name
    if choices := schema.get("anyOf"):
        return " or ".join(dict.fromkeys(kind_of(one) for one in choices))
    if schema.get("type") == "array":
        return f"list of {kind_of(schema.get('items', {}))}"
    kind = str(schema.get("type", "anything"))
    return _WORDS.get(kind, kind)


def _door(method: str, path: str, operation: Mapping[str, Any]) -> Door:
    about = str(operation.get("description", ""))
    needs = _NEEDS.search(about)
    given = operation.get("parameters", ())
    parameters = tuple(
        Field(one["name"], kind_of(one["schema"]), bool(one["required"]), one.get("description", ""))
        for one in given
        if one["name"] not in _EVERYWHERE
    )
    answers = (answer for status, answer in operation["responses"].items() if status.startswith("2"))
    return Door(
        method,
        path.removeprefix(PREFIX),
        about[: needs.start()] if needs else about,
        needs[1] if needs else "",
        parameters,
        _content(operation.get("requestBody", {})),
        next((_content(one) for one in answers), ""),
        any(one["name"] == "Idempotency-Key" for one in given),
    )


def _content(holder: Mapping[str, Any]) -> str:
    schema = holder.get("content", {}).get("application/json", {}).get("schema", {})
    return kind_of(schema) if schema else ""


def _fields(schema: Mapping[str, Any]) -> Iterator[Field]:
    needed = set(schema.get("required", ()))
    for name, one in schema.get("properties", {}).items():
        yield Field(name, kind_of(one), name in needed)
