"""Does what was asked for once, however often it is sent: the `Idempotency-Key` of what makes something.

The answer is kept with the digest of the request and given again to the same caller. What is shown once, such
as a token, is not kept: sent again, the request gets the same answer without it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Header, HTTPException, Request, Response

from sealock.core.errors import UsageError
from sealock.core.idempotency import LONGEST_KEY
from sealock.web.api.errors import wrong
from sealock.web.api.shapes import Told
from sealock.web.asking import Asker, service_of
from sealock.web.problems import sentence
from sealock.web.written import idempotency_key

HEADER = "Idempotency-Key"
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias=HEADER,
        pattern=idempotency_key(LONGEST_KEY),
        description="Any text of your own, new for each thing to be made. Send the request again with it.",
    ),
]


async def once(
    request: Request,
    asker: Asker,
    key: str | None,
    work: Callable[[], Awaitable[Told]],
    *,
    status: int = 201,
    shown_once: tuple[str, ...] = (),
) -> Response:
    """The answer of the work, or of the time before. shown_once: the fields that are null then."""
    if key is None:
        return _answer(status, _bytes(await work()))
    kept = service_of(request).idempotency
    try:
        begun = await kept.begin(asker.caller, key, await _digest(request, asker))
    except UsageError as error:
        raise wrong(HEADER, sentence(error), "header") from error
    if begun is False:
        raise HTTPException(409, "The same request is being done just now.", {"Retry-After": "1"})
    if begun is not True:
        return _answer(*begun, again=True)
    try:
        told = await work()
    except Exception:
        await kept.give_up(asker.caller, key)
        raise
    remembered = told.model_copy(update=dict.fromkeys(shown_once))
    await kept.finish(asker.caller, key, status, _bytes(remembered))
    return _answer(status, _bytes(told))


def delivery_of(asker: Asker, key: str | None) -> str:
    """What a build is asked for by, so that not even a lost answer makes a second one; `` without a key."""
    if key is None:
        return ""
    return "api:" + hashlib.sha256(f"{asker.caller}\0{key}".encode()).hexdigest()


async def _digest(request: Request, asker: Asker) -> bytes:
    said = [request.method, request.url.path, request.url.query, asker.account]
    return hashlib.sha256("\0".join(said).encode() + b"\0" + await request.body()).digest()


def _bytes(told: Told) -> bytes:
    return told.model_dump_json().encode()


def _answer(status: int, body: bytes, *, again: bool = False) -> Response:
    headers = {"Idempotent-Replayed": "true"} if again else None
    return Response(body, status, headers, "application/json")
