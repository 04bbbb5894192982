"""How the API says no. Every one of these becomes problem+json (`web.problems`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError

from sealock.core.errors import UsageError
from sealock.web.problems import sentence


def wrong(field: str, reason: str, place: str = "body") -> RequestValidationError:
    """422 that names a field. place: body, query, path or header."""
    return RequestValidationError([{"loc": (place, field), "msg": reason, "type": "value_error"}])


def missing(what: str) -> HTTPException:
    """404: the same for what is not there and for what is another account's."""
    return HTTPException(404, f"There is no such {what}.")


@contextmanager
def naming(field: str, place: str = "body") -> Iterator[None]:
    """A UsageError of the block is this field's fault."""
    try:
        yield
    except UsageError as error:
        raise wrong(field, sentence(error), place) from error


@contextmanager
def conflict() -> Iterator[None]:
    """A UsageError of the block says that it cannot be now, as things stand."""
    try:
        yield
    except UsageError as error:
        raise HTTPException(409, sentence(error)) from error


@contextmanager
def found(what: str) -> Iterator[None]:
    """A LookupError of the block: there is none, as far as who asks may know."""
    try:
        yield
    except LookupError as error:
        raise missing(what) from error
