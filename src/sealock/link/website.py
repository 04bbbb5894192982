"""Asks a website's door for workers, over HTTPS with our certificate, and tells what went wrong in our words.

Nothing is asked twice by itself: whoever asks knows whether that does harm.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import TracebackType
from typing import Self, TypeVar

import httpx2
from pydantic import ValidationError

from sealock.builds.worker_wire import ROOT, Message, encode
from sealock.core.errors import SealockError
from sealock.link.errors import Lost, NotKnown, NotTaken, NotTheWebsite, WebsiteAway

PATIENCE = 15.0
"""Seconds without a byte, besides the time an answer may be held back."""

IDLE = 30.0
"""Seconds a connection is kept; the website keeps it for longer, so it is not closed under a request."""

CONNECTED = frozenset(
    {"connection.connect_tcp.failed", "connection.start_tls.complete", "connection.start_tls.failed"}
)
"""What the library tells of a connection once it is there, or closed again."""

Trace = Callable[[str, object], Awaitable[None]]

Answer = TypeVar("Answer", bound=Message)


class Website:
    """server: `https://HOST:PORT`, the door for workers."""

    def __init__(self, server: str, tls: ssl.SSLContext) -> None:
        self.server = server.rstrip("/")
        self._client = self._new(tls)
        self._before: list[httpx2.AsyncClient] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in (*self._before, self._client):
            await client.aclose()

    def use(self, tls: ssl.SSLContext) -> None:
        """Be known by another certificate from now on; what is under way ends as it began."""
        self._before.append(self._client)
        self._client = self._new(tls)

    async def say(
        self,
        path: str,
        message: Message | None,
        answer: type[Answer],
        *,
        put: bool = False,
        wait: float = 0.0,
    ) -> Answer:
        """Say it, and return what the website answers. wait: seconds for which it may hold the answer back.
        WebsiteAway, NotTheWebsite, NotKnown, NotTaken, Lost."""
        content = b"" if message is None else encode(message)
        got = await self._ask("PUT" if put else "POST", path, content, wait=wait)
        return self._read(answer, got)

    async def send(self, path: str, content: bytes, *, query: Mapping[str, int] | None = None) -> bytes:
        """The same with bytes that are no message, there and back."""
        return await self._ask("POST", path, content, query=query)

    async def send_bytes(
        self, path: str, content: bytes, answer: type[Answer], query: Mapping[str, int]
    ) -> Answer:
        """Bytes there, a message back."""
        return self._read(answer, await self.send(path, content, query=query))

    async def read(self, path: str) -> bytes:
        """What anybody may have."""
        return await self._ask("GET", path, b"")

    async def _ask(
        self,
        method: str,
        path: str,
        content: bytes,
        *,
        query: Mapping[str, int] | None = None,
        wait: float = 0.0,
    ) -> bytes:
        timeout = httpx2.Timeout(PATIENCE, read=PATIENCE + wait)
        url = f"{self.server}{ROOT}/{path}"
        try:
            found = await unless_shaking_hands(
                lambda trace: self._client.request(
                    method, url, content=content, params=query, timeout=timeout, extensions={"trace": trace}
                )
            )
        except httpx2.TransportError as error:
            raise self._told(error) from error
        if found.status_code == 200:
            return found.content
        raise _refused(found.status_code, told_in(found))

    def _read(self, answer: type[Answer], content: bytes) -> Answer:
        try:
            return answer.model_validate_json(content)
        except ValidationError as error:
            raise NotTaken(f"it answered something else than {answer.__name__}") from error

    def _told(self, error: Exception) -> SealockError:
        for each in _causes(error):
            if isinstance(each, ssl.SSLCertVerificationError):
                return NotTheWebsite(self.server, each.verify_message)
            if isinstance(each, ssl.SSLError) and "ALERT" in str(each.reason):
                return NotKnown(str(each.reason).replace("_", " ").lower())
        unasked = isinstance(error, httpx2.ConnectError)
        return WebsiteAway(str(error) or type(error).__name__, unasked=unasked)

    def _new(self, tls: ssl.SSLContext) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            verify=tls,
            trust_env=False,
            limits=httpx2.Limits(max_connections=512, keepalive_expiry=IDLE),
        )


async def unless_shaking_hands(request: Callable[[Trace], Awaitable[httpx2.Response]]) -> httpx2.Response:
    """The answer. A request that is cancelled while it connects goes on until it is connected: the library
    forgets to close a connection that is cancelled in its handshake."""
    connected = asyncio.Event()
    connected.set()

    async def trace(event: str, _: object) -> None:
        if event == "connection.connect_tcp.started":
            connected.clear()
        elif event in CONNECTED:
            connected.set()

    asking = asyncio.ensure_future(request(trace))
    try:
        return await asyncio.shield(asking)
    except asyncio.CancelledError:
        waiting = asyncio.create_task(connected.wait())
        await asyncio.wait({waiting, asking}, return_when=asyncio.FIRST_COMPLETED)
        for task in (waiting, asking):
            task.cancel()
        await asyncio.gather(waiting, asking, return_exceptions=True)
        raise


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _refused(status: int, detail: str) -> SealockError:
    if status == 401:
        return NotKnown(detail)
    if status == 409:
        return Lost()
    if status in {408, 429} or status >= 500:
        return WebsiteAway(f"it answered {status}: {detail}")
    return NotTaken(f"it answered {status}: {detail}")


def told_in(found: httpx2.Response) -> str:
    """What the website says of a refusal, on one line: a worker's log is read by people, who do what stands
    there on lines of their own."""
    try:
        told = found.json()
        text = str(told.get("detail") or told.get("title") or "")[:1000]
    except (ValueError, AttributeError):
        return ""
    return "".join(letter if letter.isprintable() else " " for letter in text)
