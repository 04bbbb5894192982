"""Where Redis is, out of its URL, and whether the way there is safe.

`rediss://USER:PASSWORD@HOST:PORT/DB` is verified TLS; `redis://` is plaintext, and so for loopback alone, as
is `unix://USER:PASSWORD@/PATH`. A URL says nothing else: the client library would let options in it switch
the verification off. The library would also believe every authority of the system beside the one that is
given, so the TLS context is made here.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from sealock.core.errors import UsageError
from sealock.core.secret import Secret
from sealock.store.database.address import stays_here

PORT = 6379
ANSWER = 2.0
"""Seconds until Redis counts as away, for connecting and for each answer."""

MOST_CONNECTIONS = 20

_HOST = re.compile(r"[A-Za-z0-9_.:-]+")
_PATH = re.compile(r"/([0-9]{1,4})?|")


@dataclass(frozen=True)
class RedisServer:
    """where: without the password. options: of a connection. tls: None for one that stays on this host."""

    where: str
    options: dict[str, Any] = field(repr=False)
    tls: ssl.SSLContext | None = None

    def client(self) -> Redis:
        """A client of its own; `aclose` it."""
        return Redis.from_pool(self.pool())

    def pool(self) -> ConnectionPool:
        """Connections that ask once: who uses them knows what to do without."""
        return BlockingConnectionPool(
            max_connections=MOST_CONNECTIONS,
            timeout=ANSWER,
            connection_class=self._connection(),
            socket_connect_timeout=ANSWER,
            socket_timeout=ANSWER,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,
            # A server is not to say where else to connect to.
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
            **self.options,
        )

    def _connection(self) -> type[Connection | UnixDomainSocketConnection]:
        if self.tls is not None:
            return verified_by(self.tls)
        return UnixDomainSocketConnection if "path" in self.options else Connection

    def __str__(self) -> str:
        return f"Redis at {self.where}"


def server_of(url: Secret, authority: Path | None = None) -> RedisServer:
    """What the URL names. authority: a PEM file; no other is believed then, else those of this host.
    UsageError for a URL that is none of ours, plaintext to another host, or an authority that is none."""
    try:
        parsed = urlsplit(url.reveal().decode())
        port = parsed.port or PORT
    except ValueError as error:
        raise _unusable("it cannot be read as a URL") from error
    if parsed.query or parsed.fragment:
        raise _unusable("it has options, and there are none: TLS is always verified")
    said = {"username": _part(parsed.username), "password": _part(parsed.password)}
    if parsed.scheme == "unix":
        return _socket(parsed, said)
    host = parsed.hostname or ""
    database = _PATH.fullmatch(parsed.path)
    if parsed.scheme not in ("redis", "rediss") or not _HOST.fullmatch(host) or database is None:
        raise _unusable("it does not say how to reach Redis, or where")
    # Whatever a resolver makes of that name.
    options = {
        "host": "127.0.0.1" if host == "localhost" and parsed.scheme == "redis" else host,
        "port": port,
    }
    options |= {"db": int(database[1] or 0), **said}
    if parsed.scheme == "redis":
        _refuse_to_leave(host)
        return RedisServer(f"{host}:{port}", options)
    return RedisServer(f"{host}:{port}", options, _context(authority))


def verified_by(context: ssl.SSLContext) -> type[SSLConnection]:
    """A connection that goes by this context and nothing else."""

    class Verified(SSLConnection):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.ssl_context.context = context

        async def disconnect(self, *given: Any, **more: Any) -> None:
            """As the library does it; what ends before the other side says goodbye is closed too."""
            writer = self._writer
            try:
                await super().disconnect(*given, **more)
            finally:
                if writer is not None:
                    writer.transport.abort()

    return Verified


def _socket(parsed: SplitResult, said: dict[str, str | None]) -> RedisServer:
    path = unquote(parsed.path)
    if parsed.hostname or not path.startswith("/"):
        raise _unusable("a Unix socket has no host: three slashes come before its path")
    return RedisServer(path, {"path": path, **said})


def _part(text: str | None) -> str | None:
    return unquote(text) if text else None


def _context(authority: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authority is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"{authority} is no certificate to check that of Redis with",
            details=str(error),
            resolution="Give redis_ca_certificate the PEM file of the authority that certified Redis.",
        ) from error
    return context


def _refuse_to_leave(host: str) -> None:
    if not stays_here(host):
        raise UsageError(
            f"Redis on {host} would be reached without TLS",
            details="Somebody on the way could read its password and pose as it.",
            resolution="Have it speak TLS (docs/redis.md says how), and begin its URL with `rediss://`.",
        )


def _unusable(why: str) -> UsageError:
    return UsageError(
        "the URL of Redis cannot be used",
        details=f"{why[:1].upper()}{why[1:]}.",
        resolution="It is `rediss://USER:PASSWORD@HOST:PORT`, or `unix:///PATH` on this host.",
    )
