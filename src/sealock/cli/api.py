"""Speaks to a server's REST API: over HTTPS alone, to that server alone, with its token for nobody else.

A request that changes nothing is made again when the connection is lost, and so is one that carries an
`Idempotency-Key`, which every POST does: the server does it once, however often it comes. No redirect is
followed. Proxies and certificates that variables of the environment name are not used.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx2

from sealock import __version__
from sealock.cli.api_errors import StillAtIt, another_version, of_answer
from sealock.cli.sign_ins import SignIn, server_address
from sealock.cli.way_errors import of_transport
from sealock.core.errors import PermanentError, SealockError, TemporaryError, UsageError
from sealock.core.secret import Secret

T = TypeVar("T")
Query = Mapping[str, object]

SESSION, HEALTH = ("/api/session",), ("/health",)
"""What does not lie below /api/v1."""
AGAIN = (0.2, 1.0, 3.0)
"""Seconds before a request is made again, for as many times."""
PATIENCE = httpx2.Timeout(10.0, read=90.0)
"""A server may hold an answer back while one waits for a build."""


class TokenFor(httpx2.Auth):
    """Shows the token to the server it is for. Requests to any other go without."""

    def __init__(self, url: str, token: Secret) -> None:
        self._url, self._token = httpx2.URL(url), token

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """As httpx2 asks for it."""
        asked, ours = request.url, self._url
        if (asked.scheme, asked.host, asked.port) == ("https", ours.host, ours.port):
            request.headers["Authorization"] = f"Bearer {self._token.reveal().decode()}"
        yield request


class Api:
    """A connection to one server. token: None to ask without. authority: PEM, what is trusted instead of
    this host's authorities; `` for those."""

    def __init__(
        self,
        url: str,
        token: Secret | None = None,
        authority: str = "",
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = server_address(url)
        self._client = httpx2.AsyncClient(
            base_url=self.url,
            auth=TokenFor(self.url, token) if token else None,
            headers={"User-Agent": f"sealock/{__version__}", "Accept": "application/json"},
            verify=trusting(authority),
            timeout=PATIENCE,
            transport=transport,
            follow_redirects=False,
            trust_env=False,
        )

    async def get(self, *path: str, query: Query | None = None) -> Any:
        """The answer's JSON. path: below /api/v1, a segment each, as typed."""
        return _json(await self._send("GET", path, query=query))

    async def fetch(self, *path: str, query: Query | None = None) -> bytes:
        """The answer's bytes."""
        return (await self._send("GET", path, query=query, accept="*/*")).content

    async def post(self, *path: str, body: Mapping[str, object] | None = None, again: bool = True) -> Any:
        """The answer's JSON, None if it has none. again: whether it may be sent again when its answer was
        lost; not if that answer holds what is shown once."""
        key = secrets.token_hex(16) if again else ""
        return _json(await self._send("POST", path, body=body, key=key))

    async def change(self, method: str, *path: str, body: object = None, query: Query | None = None) -> Any:
        """PUT, PATCH or DELETE."""
        return _json(await self._send(method, path, body=body, query=query))

    async def all(self, *path: str, query: Query | None = None) -> list[dict[str, Any]]:
        """Every item of a list, page by page."""
        items: list[dict[str, Any]] = []
        asked = dict(query or {})
        while True:
            page = await self.get(*path, query=asked)
            items += page["items"]
            if not page.get("next") or not page["items"]:
                return items
            asked["cursor"] = page["next"]

    async def healthy(self) -> None:
        """Nothing, if something answers there with a certificate we trust. NotTrusted if not."""
        await self._send("GET", HEALTH)

    async def sign_in(self, email: str, password: Secret) -> None:
        """Sign in with a session, which this connection then shows; `sign_out` ends it."""
        body = {"email": email, "password": password.reveal().decode()}
        await self._send("POST", SESSION, body=body)

    async def who_am_i(self) -> dict[str, Any]:
        """Whose session it is, with their roles."""
        found = _json(await self._send("GET", SESSION))
        return found if isinstance(found, dict) else {}

    async def sign_out(self) -> None:
        """End the session, at the server and here."""
        try:
            await self._send("DELETE", SESSION)
        finally:
            self._client.cookies.clear()

    @asynccontextmanager
    async def stream(
        self, *path: str, query: Query | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[httpx2.Response]:
        """An answer that is read while it comes."""
        request = self._request("GET", path, query=query, headers=headers)
        response = await self._answer(request, stream=True)
        try:
            yield response
        except httpx2.TransportError as error:
            raise of_transport(error, self.url) from error
        finally:
            await response.aclose()

    async def _send(
        self,
        method: str,
        path: tuple[str, ...],
        *,
        query: Query | None = None,
        body: object = None,
        key: str = "",
        accept: str = "application/json",
    ) -> httpx2.Response:
        headers = {"Accept": accept} | ({"Idempotency-Key": key} if key else {})
        for pause in AGAIN if method == "GET" or key else ():
            try:
                return await self._answer(self._request(method, path, query, body, headers))
            except (Unreached, StillAtIt):
                await asyncio.sleep(pause)
        return await self._answer(self._request(method, path, query, body, headers))

    def _request(
        self,
        method: str,
        path: tuple[str, ...],
        query: Query | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Request:
        shown = dict(headers or {})
        if method != "GET" and self._client.cookies:
            shown["Origin"] = self.url  # a cookie is taken only of who says where it came from
        asked = {name: str(value) for name, value in (query or {}).items() if value is not None}
        return self._client.build_request(
            method, address(path), params=asked or None, json=body, headers=shown
        )

    async def _answer(self, request: httpx2.Request, *, stream: bool = False) -> httpx2.Response:
        try:
            response = await self._client.send(request, stream=stream)
            if response.is_success:
                return response
            await response.aread()
        except httpx2.TransportError as error:
            told = of_transport(error, self.url)
            raise (Unreached.of(told) if isinstance(told, TemporaryError) else told) from error
        except httpx2.HTTPError as error:
            raise PermanentError(f"{self.url} answers what cannot be read", details=str(error)) from error
        await response.aclose()
        raise of_answer(response, self.url)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)


class Unreached(TemporaryError):
    """The connection failed or was lost; nobody knows whether the request arrived."""

    @classmethod
    def of(cls, told: SealockError) -> Unreached:
        """The same, as this kind."""
        return cls(told.brief, details=told.details, resolution=told.resolution)


def asked(sign_in: SignIn, question: Callable[[Api], Awaitable[T]]) -> T:
    """What a question to a server comes to, asked over a connection of its own."""

    async def ask() -> T:
        async with connected(sign_in) as api:
            return await question(api)

    try:
        return asyncio.run(ask())
    except (KeyError, TypeError, IndexError, AssertionError) as error:
        raise unreadable() from error


def connected(sign_in: SignIn) -> Api:
    """A connection with that sign-in."""
    return Api(sign_in.url, sign_in.token, sign_in.authority)


def address(path: tuple[str, ...]) -> str:
    """The path below /api/v1 of these segments, each of which stays one. UsageError for a segment that could
    not be one."""
    if path in (SESSION, HEALTH):
        return path[0]
    for segment in path:
        if segment in ("", ".", ".."):
            raise UsageError(f"{segment!r} is no name")
    return "/api/v1/" + "/".join(quote(segment, safe="", errors="replace") for segment in path)


def trusting(authority: str) -> ssl.SSLContext:
    """What is trusted: this authority alone, or, with ``, those of this host."""
    try:
        return ssl.create_default_context(cadata=authority or None)
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(
            "The certificate authority cannot be read",
            details=str(error),
            resolution="Give a certificate as PEM, as `sealock authority` on the server prints it.",
        ) from error


def _json(response: httpx2.Response) -> Any:
    if not response.content:
        return None
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError) as error:
        raise unreadable() from error


def unreadable() -> PermanentError:
    """What is there is no answer of this API."""
    return PermanentError("The server answers what cannot be read", resolution=another_version())
