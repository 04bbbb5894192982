"""Connections, and how long one may take for nothing.

The server waits for ever for a request that comes a byte at a time, or not at all; each such connection holds
a file, of which a process has so many. So a request's head has some seconds to arrive, and whoever opens more
connections than one place needs loses those that wait for longest.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

from sealock.web.rates import place_of

HEAD_SECONDS = 15.0
"""From the connection, or the first byte behind the answer before, to the end of a request's head."""
MOST_OF_ONE = 400
"""Connections of one place (`rates.place_of`). A browser holds six; a team may share an address."""


class TimedProtocol(H11Protocol):
    """HTTP/1.1 for who gets on with it."""

    head_seconds = HEAD_SECONDS
    most_of_one = MOST_OF_ONE
    _late: asyncio.TimerHandle | None = None
    _place = ""

    # The loop hands a transport that reads and writes to every protocol of a stream, whatever the base says;
    # the server's own protocol relies on it as well.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for it, and wait for its first request."""
        super().connection_made(transport)
        self._place = place_of(self.client[0]) if self.client else ""
        self._make_room()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """A piece of a request, or of one that was answered before all of it came."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._forget()
        super().connection_lost(exc)

    @property
    def is_waiting(self) -> bool:
        """No request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _watch(self) -> None:
        if not self.is_waiting:
            self._forget()
        elif self._late is None and not self.transport.is_closing():
            self._late = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _make_room(self) -> None:
        those = [one for one in self.connections if isinstance(one, TimedProtocol) and one.is_of(self._place)]
        if len(those) <= self.most_of_one:
            return
        waiting = [one for one in those if one.is_waiting and one is not self]
        last = min(waiting, key=lambda one: one.due, default=self)
        last.transport.abort()

    def is_of(self, place: str) -> bool:
        """Whether it comes from there, and is open."""
        return self._place == place and not self.transport.is_closing()

    @property
    def due(self) -> float:
        """When it is given up, by the loop's clock: the sooner, the longer it has waited."""
        return self._late.when() if self._late is not None else float("inf")
