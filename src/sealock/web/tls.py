"""Serves the website over HTTPS, and redirects plain HTTP there.

TLS 1.2 and 1.3, with forward secrecy and authenticated encryption only. The plain listener knows one answer:
where the website is. It sees no route, sets no cookie, and has nothing to leak.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from sealock.core.certificate import Certificate
from sealock.core.errors import SealockError, UsageError
from sealock.web.connections import TimedProtocol
from sealock.web.handshakes import TlsConfig
from sealock.web.origin import Origin
from sealock.web.streams import Streams

log = logging.getLogger(__name__)

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2; those of 1.3 are all of this kind."""
GRACE = 5
"""Seconds that requests have to end once the website stops; streams are ended at once."""
LOOK_AGAIN = 12 * 3600.0
"""Seconds between two looks at the certificate, so that a new one is used without a restart."""
SERVES: dict[str, Any] = {
    "ws": "none",
    "lifespan": "off",
    "log_config": None,
    "access_log": False,
    "server_header": False,
    # Headers that name another client are anybody's to send.
    "proxy_headers": False,
    "h11_max_incomplete_event_size": 32 * 1024,
    # Seconds a connection is kept for the next request. Longer than a reader of a page or a worker is silent:
    # a connection that ends just when the next request is sent costs another try, or the request.
    "timeout_keep_alive": 60,
}
"""How every door is served."""


@dataclass(frozen=True)
class Listen:
    """Addresses and ports, 0 for any free one. plain: where to redirect from, None for nowhere."""

    host: str
    port: int
    plain: tuple[str, int] | None = None


@dataclass(frozen=True)
class Bound:
    """Sockets that listen already: it may take rights that the website has given up when it serves."""

    https: socket.socket
    plain: socket.socket | None

    def close(self) -> None:
        """Give the ports back. May be called again."""
        self.https.close()
        if self.plain is not None:
            self.plain.close()


@dataclass
class Website:
    """certificate: called at the start and twice a day; checked by who made it. grace: seconds."""

    app: ASGIApp
    origin: Origin
    certificate: Callable[[], Certificate]
    streams: Streams
    grace: int = GRACE
    ports: dict[str, int] = field(default_factory=dict)
    """Where it listens, by `https` and `http`, once it does."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self) -> None:
        """Have `serve` end in good order."""
        self._stopping.set()

    async def serve(self, listen: Listen | Bound) -> None:
        """Serve until SIGTERM, SIGINT or `stop`. UsageError if it cannot, there or with that certificate."""
        context = tls_context(self.certificate())
        with closing(bind(listen) if isinstance(listen, Listen) else listen) as bound:
            servers = [(self._server(self.app, context), self._listening("https", bound.https))]
            if bound.plain is not None:
                redirecting = self._server(Redirect(self.origin), None)
                servers.append((redirecting, self._listening("http", bound.plain)))
            with _told_by_signals(self.stop):
                await self._run(servers, context)

    async def _run(self, servers: list[tuple[Server, socket.socket]], context: ssl.SSLContext) -> None:
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self._look_again(context))
            for server, bound in servers:
                group.create_task(server.serve(sockets=[bound]))
            for server, _ in servers:
                await server.up.wait()
            self.ready.set()
            await self._stopping.wait()
            # The streams first: the servers wait for them.
            self.streams.end()
            looking.cancel()
            for server, _ in servers:
                server.should_exit = True

    def _listening(self, name: str, bound: socket.socket) -> socket.socket:
        self.ports[name] = bound.getsockname()[1]
        return bound

    def _server(self, app: ASGIApp, context: ssl.SSLContext | None) -> Server:
        serves: dict[str, Any] = SERVES | {"timeout_graceful_shutdown": self.grace}
        if context is None:
            return Server(uvicorn.Config(app, http=TimedProtocol, **serves))
        return Server(TlsConfig(app, context, **serves))

    async def _look_again(self, context: ssl.SSLContext) -> None:
        while True:
            await asyncio.sleep(LOOK_AGAIN)
            self.renew(context)

    def renew(self, context: ssl.SSLContext) -> None:
        """Use the certificate there is now for connections from now on; the old one if there is trouble."""
        try:
            load_into(context, self.certificate())
        except SealockError:
            log.exception("the website goes on with the certificate it has")


class Server(uvicorn.Server):
    """One of several in a process, so that signals are not its own. up: set once it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if isinstance(self.config, TlsConfig):
            self.config.handshakes.give_up()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Redirect:
    """The whole of what is to be had over plain HTTP: 308, to the same path of the website."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError("only HTTP is redirected")
        # The address that was configured: a `Host` header must not choose where we send people.
        path = quote(scope["raw_path"].decode("latin-1"), safe="/:@!$&'()*+,;=-._~%")
        query = quote(scope["query_string"].decode("latin-1"), safe="/?:@!$&'()*+,;=-._~%")
        place = f"{self._origin}{path if path.startswith('/') else '/'}{'?' * bool(query)}{query}"
        headers = [
            (b"location", place.encode()),
            (b"content-length", b"0"),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 308, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def tls_context(certificate: Certificate) -> ssl.SSLContext:
    """How the website speaks TLS. UsageError if the certificate cannot be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    load_into(context, certificate)
    return context


def load_into(context: ssl.SSLContext, certificate: Certificate) -> None:
    """Use this certificate for connections from now on. UsageError if it cannot be read."""
    try:
        context.load_cert_chain(certificate.chain, certificate.key, password="")
    except (ssl.SSLError, OSError, ValueError) as error:
        raise UsageError(
            f"The website's certificate {certificate.chain} cannot be used",
            details=str(error),
            resolution="Replace it and its key.",
        ) from error


def bind(listen: Listen) -> Bound:
    """Listen there. UsageError if it cannot."""
    https = bound_to(listen.host, listen.port, "listen")
    try:
        return Bound(https, bound_to(*listen.plain, "http_listen") if listen.plain else None)
    except UsageError:
        https.close()
        raise


def bound_to(host: str, port: int, setting: str) -> socket.socket:
    """A socket that listens there. setting: what says so. UsageError if it cannot."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"The website cannot listen on {host}:{port}",
            details=str(error),
            resolution=f"Choose another address or port in the setting {setting}, or end what listens there.",
        ) from error


@contextmanager
def _told_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    loop, signals = asyncio.get_running_loop(), (signal.SIGTERM, signal.SIGINT)
    with suppress(ValueError, RuntimeError):  # only the main thread is told of signals
        for one in signals:
            loop.add_signal_handler(one, stop)
    try:
        yield
    finally:
        for one in signals:
            loop.remove_signal_handler(one)
