"""Serves the door for workers: a port of its own, certificates on both sides, beside the website.

The certificate shown here is always one of the installation's own authority, whatever the website shows to
browsers: workers trust that authority and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import FastAPI

from sealock.core.certificate import Certificate
from sealock.core.errors import SealockError
from sealock.web.handshakes import TlsConfig
from sealock.web.tls import GRACE, LOOK_AGAIN, SERVES, Server, bound_to, load_into
from sealock.web.worker_auth import PeerProtocol, worker_tls
from sealock.web.worker_polls import LongPolls

log = logging.getLogger(__name__)


@dataclass
class WorkerDoor:
    """app: of `worker_api.make_worker_app`. certificate: called at the start and twice a day. authority: PEM,
    of workers and of this door. grace: seconds requests have to end."""

    app: FastAPI
    certificate: Callable[[], Certificate]
    authority: Path
    grace: int = GRACE
    port: int = 0
    """Where it listens, once it does."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self) -> None:
        """Have `serve` end in good order."""
        self._stopping.set()

    async def serve(self, host: str, port: int) -> None:
        """Serve until `stop`. port: 0 for any free one. UsageError if it cannot."""
        await self.serve_on(bound_to(host, port, "worker_listen"))

    async def serve_on(self, listening: socket.socket) -> None:
        """The same on a socket that listens already. UsageError if it cannot."""
        with listening as bound:
            context = worker_tls(self.certificate(), self.authority)
            self.port = bound.getsockname()[1]
            server = Server(self._config(context))
            async with asyncio.TaskGroup() as group:
                looking = group.create_task(self._look_again(context))
                group.create_task(server.serve(sockets=[bound]))
                await server.up.wait()
                self.ready.set()
                await self._stopping.wait()
                polls = self.app.state.polls
                assert isinstance(polls, LongPolls)
                polls.end()
                looking.cancel()
                server.should_exit = True

    def _config(self, context: ssl.SSLContext) -> TlsConfig:
        return TlsConfig(
            self.app,
            context,
            protocol=PeerProtocol,
            timeout_graceful_shutdown=self.grace,
            **SERVES,
        )

    async def _look_again(self, context: ssl.SSLContext) -> None:
        while True:
            await asyncio.sleep(LOOK_AGAIN)
            try:
                load_into(context, self.certificate())
            except SealockError:
                log.exception("the door for workers goes on with the certificate it has")
