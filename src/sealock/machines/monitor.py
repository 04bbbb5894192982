"""QEMU's monitor: the few commands we give and the events that say how a guest ended."""

from __future__ import annotations

import logging
import socket
from contextlib import suppress

from qemu.qmp import EventListener, Message, QMPClient
from qemu.qmp.error import QMPError

from sealock.core.errors import TemporaryError

# The library logs every lost connection as an error; for us that is how a guest says goodbye.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)
_GONE = (QMPError, EOFError, OSError)


class Monitor:
    """A connection to one QEMU."""

    def __init__(self, name: str) -> None:
        self._client = QMPClient(name)
        self._client.logger.setLevel(logging.CRITICAL)
        self._shutdown: str | None = None
        self._listener = EventListener(names=("SHUTDOWN",), event_filter=self._note)
        self._client.register_listener(self._listener)

    @property
    def shutdown_reason(self) -> str | None:
        """Why QEMU says the guest ended: `guest-shutdown`, `guest-reset`, …; None if it did not say."""
        return self._shutdown

    async def connect(self, end: socket.socket) -> None:
        """Greet QEMU at the other end of the socket. TemporaryError if it is not there."""
        try:
            await self._client.connect(end)
        except _GONE as error:
            raise _lost("QEMU ended before it answered", error) from error

    async def execute(self, command: str, **arguments: object) -> object:
        """One command. TemporaryError if QEMU refuses it or is gone."""
        try:
            return await self._client.execute(command, arguments or None)
        except _GONE as error:
            raise _lost(f"QEMU did not carry out {command}", error) from error

    async def give_descriptor(self, name: str, descriptor: int) -> None:
        """Hand QEMU an open file under a name."""
        self._client.send_fd_scm(descriptor)
        await self.execute("getfd", fdname=name)

    async def close(self) -> None:
        """Let go of it, whatever state it is in."""
        with suppress(*_GONE):
            await self._client.disconnect()

    def _note(self, event: Message) -> bool:
        data = event.get("data")
        if isinstance(data, dict):
            self._shutdown = str(data.get("reason"))
        return False


def _lost(brief: str, error: Exception) -> TemporaryError:
    resolution = "Try again. If it stays so, check that this QEMU is one of version 7.2 or newer."
    return TemporaryError(brief, details=str(error), resolution=resolution)
