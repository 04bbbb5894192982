"""What stands before every door: nothing reaches a route without having passed here.

In this order, cheapest first: a request gets an id; its answer gets the headers that tell browsers what the
pages may do; a request for another host, from another site, too long, or one too many is refused before its
body is read.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sealock.core.decision import Denied
from sealock.web.cross_origin import from_here
from sealock.web.origin import Origin
from sealock.web.problems import problem
from sealock.web.rates import EVERYTHING, Rates, TooOften

log = logging.getLogger(__name__)

LONGEST_BODY = 2 * 1024 * 1024
"""Bytes. The largest secret there may be (`core.sealed.LONGEST_VALUE`) as Base64 in JSON."""
BODY_SECONDS = 30.0
"""How long a body may take to arrive."""

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing inline, nothing of a third party: what gets into a page does not become a program."""

SHOWN_BY = "Cross-Origin-Resource-Policy"

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`, with which browsers send `Origin: null` on our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    SHOWN_BY: "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}


@dataclass
class _Body:
    """How much of a request's body has come."""

    receive: Receive
    longest: int
    seconds: float
    size: int = 0
    whole: bool = False
    until: float = field(init=False)

    def __post_init__(self) -> None:
        self.until = asyncio.get_running_loop().time() + self.seconds

    async def __call__(self) -> Message:
        if self.whole:  # what comes now is the end of the connection, however late
            return await self.receive()
        try:
            async with asyncio.timeout_at(self.until):
                message = await self.receive()
        except TimeoutError as error:
            raise HTTPException(408, "The request took too long to arrive.") from error
        self.size += len(message.get("body", b""))
        if self.size > self.longest:
            raise HTTPException(413, f"A request has at most {self.longest} bytes.")
        self.whole = not message.get("more_body", False)
        return message


class Guard:
    """The whole application, guarded. longest_body: bytes. body_seconds: for all of it to arrive."""

    def __init__(
        self,
        app: ASGIApp,
        origin: Origin,
        rates: Rates,
        *,
        longest_body: int = LONGEST_BODY,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._app, self._origin, self._rates = app, origin, rates
        self._longest, self._seconds = longest_body, body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:  # we have no WebSocket, so whoever asks for one is not ours
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = secrets.token_hex(16)
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id)
        refusal = await self._refusal(scope, request_id)
        if refusal is not None:
            await refusal(scope, receive, answer)
            return
        try:
            await self._app(scope, _Body(receive, self._longest, self._seconds), answer)
        except Exception:
            log.exception("request %s failed", request_id)
            if not answer.begun:
                await problem(500, request_id=request_id)(scope, receive, answer)

    async def _refusal(self, scope: Scope, request_id: str) -> Response | None:
        headers = Headers(scope=scope)
        if not all(self._origin.is_named_by(one) for one in headers.getlist("host") or [""]):
            return problem(421, "This website has another name.", request_id=request_id)
        decision = from_here(scope["method"], headers, self._origin)
        if isinstance(decision, Denied):
            return problem(403, decision.reason, request_id=request_id)
        if _declared(headers) > self._longest:
            close = {"Connection": "close"}
            detail = f"A request has at most {self._longest} bytes."
            return problem(413, detail, request_id=request_id, headers=close)
        return _too_often(await self._rates.count(EVERYTHING, address_of(scope)), request_id)


def address_of(scope: Scope) -> str:
    """Where a request comes from: the other end of its connection, whatever its headers say."""
    client = scope.get("client")
    return str(client[0]) if client else "local"


def _declared(headers: Headers) -> int:
    """The length a request says it has; 0 if it does not say."""
    told = headers.get("content-length", "0")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 20 else 0


def _too_often(counted: object, request_id: str) -> Response | None:
    if not isinstance(counted, TooOften):
        return None
    later = {"Retry-After": str(counted.retry_after)}
    return problem(429, "Too many requests.", request_id=request_id, headers=later)


class _Answer:
    """Sends an answer with our headers. begun: whether any of it is out."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send, self._request_id, self.begun = send, request_id, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(scope=message)
            # A badge alone is for the pages of others.
            shown = headers.get(SHOWN_BY)
            headers.update(HEADERS)
            if shown == "cross-origin" and headers.get("content-type", "image/svg+xml") == "image/svg+xml":
                headers[SHOWN_BY] = shown
            headers["X-Request-Id"] = self._request_id
            # Whatever is not made to be kept is for the one who asked.
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)
