"""TLS handshakes: how long one may take, and how many one place may have under way.

A connection holds a file from the moment it is accepted, and whoever shakes hands slowly, or never begins,
has not even shown a request to be refused. The server would wait a minute for each, and count them nowhere.
So a connection is accepted as it is, counted by where it comes from, and only then secured; what reads
requests (`connections.TimedProtocol`) sees it once that is done.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from sealock.web.connections import TimedProtocol
from sealock.web.rates import place_of

SECONDS = 10.0
"""A handshake is two or three round trips; a slow telephone needs one or two seconds."""
MOST_OF_ONE = 200
"""Under way of one place (`rates.place_of`): of a team behind one address, or of workers that all come back
when a website is started again."""


class TlsConfig(uvicorn.Config):
    """What a server over TLS is set up with. protocol: reads requests once a connection is secured."""

    def __init__(
        self, app: ASGIApp, tls: ssl.SSLContext, *, protocol: type[TimedProtocol] = TimedProtocol, **more: Any
    ) -> None:
        super().__init__(app, http=Handshake, **more)
        self.tls, self.protocol = tls, protocol
        self.handshakes = Handshakes()


class Handshakes:
    """Those of one server that are under way."""

    most_of_one = MOST_OF_ONE

    def __init__(self) -> None:
        self._of: dict[str, dict[Handshake, None]] = {}

    def begin(self, one: Handshake) -> None:
        """Count it. If its place has too many, the one that has gone on for longest is given up: who shakes
        hands as everybody does is done long before it comes to that."""
        those = self._of.setdefault(one.place, {})
        those[one] = None
        if len(those) > self.most_of_one:
            next(iter(those)).give_up()

    def end(self, one: Handshake) -> None:
        """It is over, in whatever way."""
        those = self._of.get(one.place, {})
        those.pop(one, None)
        if not those:
            self._of.pop(one.place, None)

    def give_up(self) -> None:
        """All of them: the server stops."""
        for one in [one for those in self._of.values() for one in those]:
            one.give_up()


class Handshake(asyncio.Protocol):
    """One connection, until it is secured."""

    seconds = SECONDS
    place = ""

    def __init__(self, config: TlsConfig, **given: Any) -> None:
        self._config, self._given = config, given
        self._transport: asyncio.Transport
        self._shaking: asyncio.Task[None]

    # The loop hands a transport that reads and writes to every protocol of a stream, whatever the base says.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, and read nothing before."""
        transport.pause_reading()
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.place = place_of(peer[0]) if peer else ""
        self._shaking = asyncio.get_running_loop().create_task(self._shake())
        self._config.handshakes.begin(self)

    def give_up(self) -> None:
        """Close the connection."""
        self._config.handshakes.end(self)
        self._shaking.cancel()
        self._transport.abort()

    async def _shake(self) -> None:
        early = _Early()
        try:
            secured = await asyncio.get_running_loop().start_tls(
                self._transport,
                early,
                self._config.tls,
                server_side=True,
                ssl_handshake_timeout=self.seconds,
            )
        except OSError:  # of TLS and of the connection, and that it took too long
            self._transport.abort()
            return
        finally:
            self._config.handshakes.end(self)
        if secured is None or early.is_lost:
            return
        protocol = self._config.protocol(config=self._config, **self._given)
        secured.set_protocol(protocol)
        protocol.connection_made(secured)
        early.hand_over(protocol)


class _Early(asyncio.Protocol):
    """Keeps what comes in one piece with the end of a handshake, before anybody is there to read it."""

    def __init__(self) -> None:
        self.is_lost = False
        self._came: list[bytes] = []
        self._ended = False

    def data_received(self, data: bytes) -> None:
        self._came.append(data)

    def eof_received(self) -> None:
        self._ended = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True

    def hand_over(self, protocol: asyncio.Protocol) -> None:
        """To whom it was for."""
        for data in self._came:
            protocol.data_received(data)
        if self._ended:
            protocol.eof_received()
