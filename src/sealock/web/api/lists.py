"""Lists come in parts: `limit` says how many, and `next` of one part is the `cursor` of the following one.

A cursor says where a part ended and for which question, so one that is used for another question, or made
up, is refused instead of silently giving a part of something else. It opens nothing: what it leads to is
looked for in the account of who asks.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query

from sealock.core.builds import MOST_BUILDS
from sealock.web.api.errors import wrong
from sealock.web.api.shapes import Items, Told

Cursor = Annotated[
    str | None,
    Query(max_length=1024, description="`next` of the part before, with the same other parameters."),
]
Limit = Annotated[int, Query(ge=1, le=MOST_BUILDS, description="How many at most.")]

R = TypeVar("R")
S = TypeVar("S", bound=Told)
_MARK = 8


def cursor_after(question: Sequence[object], last: str) -> str:
    """The cursor of what follows `last`. question: all that the answer depends on, the account too."""
    return base64.urlsafe_b64encode(_mark(question, last) + last.encode()).decode().rstrip("=")


def after(question: Sequence[object], cursor: str) -> str:
    """What a cursor follows. 422 if it is none, or of another question."""
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        last = content[_MARK:].decode()
    except (binascii.Error, ValueError) as error:
        raise bad_cursor() from error
    if not last or cursor_after(question, last) != cursor:
        raise bad_cursor()
    return last


def bad_cursor() -> Exception:
    """422 that says so."""
    return wrong("cursor", "This leads nowhere, or is for another list. Begin without it.", "query")


def part(
    records: Sequence[R],
    key: Callable[[R], str],
    tell: Callable[[R], S],
    *,
    question: Sequence[object],
    cursor: str | None,
    limit: int,
) -> Items[S]:
    """A part of a list that is at hand as a whole. key: unique; what the list is brought into order by."""
    start = after(question, cursor) if cursor is not None else ""
    rest = sorted((record for record in records if key(record) > start), key=key)
    shown = rest[:limit]
    more = len(rest) > limit
    return Items(
        items=[tell(one) for one in shown], next=cursor_after(question, key(shown[-1])) if more else None
    )


def _mark(question: Sequence[object], last: str) -> bytes:
    return hashlib.sha256(repr([str(one) for one in (*question, last)]).encode()).digest()[:_MARK]
