"""Which worker speaks: the one whose certificate the connection was made with.

The server does not tell applications about certificates, so the protocol that reads a connection puts the
digest into what it hands on. It cannot be put there by a header, or by anything else that is sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from sealock.core.certificate import Certificate
from sealock.core.workers import Worker
from sealock.web.connections import TimedProtocol
from sealock.web.tls import tls_context
from sealock.web.worker_ports import WorkerPorts

PEER = "sealock.peer_certificate"
"""In a connection's scope: SHA-256 of the DER form of the certificate it was made with, None without one."""


class PeerProtocol(TimedProtocol):
    """HTTP/1.1, with the certificate of the other end."""

    most_of_one = 4000  # a worker holds two for each build it has, and many may share an address

    # As its base: one that reads and writes is what the loop hands over.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Look at the certificate once: it is the connection's, not a request's."""
        super().connection_made(transport)
        self.app = _WithPeer(self.app, _digest_of(transport))


class _WithPeer:
    def __init__(self, app: ASGIApp, digest: bytes | None) -> None:
        self._app, self._digest = app, digest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, PEER: self._digest}, receive, send)


def _digest_of(transport: asyncio.Transport) -> bytes | None:
    found = transport.get_extra_info("ssl_object")
    certificate = found.getpeercert(binary_form=True) if found is not None else None
    return hashlib.sha256(certificate).digest() if certificate else None


def worker_tls(certificate: Certificate, authority: Path) -> ssl.SSLContext:
    """How workers are spoken to: a certificate is asked for, and one that is not our authority's for a client
    ends the connection. One without is let through to the door, where it may join and nothing else."""
    context = tls_context(certificate)
    context.load_verify_locations(cafile=authority)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def ports_of(request: Request) -> WorkerPorts:
    """What the door was given."""
    ports = request.app.state.ports
    assert isinstance(ports, WorkerPorts)
    return ports


async def speaking(request: Request) -> Worker:
    """The worker at the other end. 401 for a certificate that is none's, or no longer."""
    digest = request.scope.get(PEER)
    worker = await ports_of(request).workers.by_certificate(digest) if digest is not None else None
    if worker is None:
        raise HTTPException(401, "This certificate is no worker's, or no longer.")
    return worker


Ports = Annotated[WorkerPorts, Depends(ports_of)]
Speaking = Annotated[Worker, Depends(speaking)]
