"""The keeper's door: a Unix socket, and if wanted mutual TLS for other hosts (`keeper.handshakes`).

Whoever connects is identified by the kernel or by their certificate before a byte is read; strangers are
hung up on. Each connection has one request, one deadline and a limit on its length; there are only so many
at a time. What is slow (the back end, the disk) runs on threads, so that nobody can hold up the others.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from sealock.core.errors import PermanentError
from sealock.keeper.desk import Desk
from sealock.keeper.desk_parts import Log
from sealock.keeper.handshakes import Handshakes
from sealock.keeper.other_end import credentials
from sealock.keeper.peers import Peer, Peers
from sealock.keeper.protocol import (
    DEADLINE,
    LONGEST_REQUEST,
    BadFrame,
    No,
    decode_request,
    encode_reply,
    read_frame,
    write_frame,
)
from sealock.keeper.refusals import Refusals

MOST_CONNECTIONS = 64
"""More than that wait in the socket's queue."""

MOST_THREADS = 8
KEEP_EVERY = 5.0
"""Seconds between two notes of the time and the ledger's end."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Listening:
    """Sockets that are bound already: binding may need rights that the keeper gives up before it serves.
    tls goes with `network`."""

    local: socket.socket
    network: socket.socket | None = None
    tls: ssl.SSLContext | None = None


class Server:
    """Serves one desk."""

    def __init__(self, desk: Desk, peers: Peers, log: Log, *, deadline: float = DEADLINE) -> None:
        self._desk = desk
        self._peers = peers
        self._log = log
        # Of who is not let in there is no end.
        self._refusals = Refusals(log)
        self._deadline = deadline
        self._connections = asyncio.Semaphore(MOST_CONNECTIONS)
        self._threads = ThreadPoolExecutor(MOST_THREADS)

    @asynccontextmanager
    async def serving(self, listening: Listening) -> AsyncIterator[None]:
        """Serve while the block is entered; what is under way when it is left is cut off."""
        server = await asyncio.start_unix_server(self._local, sock=listening.local)
        tasks = [asyncio.create_task(self._keep())]
        if listening.network is not None and listening.tls is not None:
            remote = Handshakes(listening.network, listening.tls, self._remote, self._refusals.note)
            tasks.append(asyncio.create_task(remote.accept()))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            server.close()
            self._threads.shutdown(wait=False, cancel_futures=True)
            with suppress(PermanentError):
                self._desk.keep()

    async def _local(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve(reader, writer, self._user_of)

    async def _remote(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve(reader, writer, self._certificate_of)

    async def _serve(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        identify: Callable[[asyncio.StreamWriter], Peer | None],
    ) -> None:
        try:
            async with self._connections, asyncio.timeout(self._deadline):
                peer = identify(writer)
                if peer is not None:
                    await self._answer(peer, reader, writer)
        except (TimeoutError, OSError) as error:
            self._refusals.note(f"hung up on a peer: {type(error).__name__}")
        except Exception as error:  # whatever it is: its text could show what was opened
            self._log(f"fault: {type(error).__name__}")
        finally:
            writer.close()
            with suppress(OSError, TimeoutError):
                await writer.wait_closed()

    async def _answer(self, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = decode_request(await read_frame(reader, LONGEST_REQUEST))
        except BadFrame as error:
            self._refusals.note(f"refused peer={peer.name} why={str(error)!r}")
            await write_frame(writer, encode_reply(No(reference="")))
            return
        reply = await self._on_a_thread(partial(self._desk.answer, peer, request))
        await write_frame(writer, encode_reply(reply))

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(KEEP_EVERY)
            try:
                await self._on_a_thread(self._desk.keep)
            except PermanentError as error:
                self._log(f"{error.brief}: {error.details}")

    async def _on_a_thread(self, call: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _user_of(self, writer: asyncio.StreamWriter) -> Peer | None:
        process, user, _ = credentials(writer.get_extra_info("socket"))
        peer = self._peers.by_user.get(user)
        if peer is None:
            self._refusals.note(f"hung up on process {process} of user {user}: not a peer")
        return peer

    def _certificate_of(self, writer: asyncio.StreamWriter) -> Peer | None:
        tls = writer.get_extra_info("ssl_object")
        found = sha256(tls.getpeercert(binary_form=True) or b"").hexdigest() if tls else ""
        peer = self._peers.by_certificate.get(found)
        if peer is None:
            self._refusals.note(f"hung up on the holder of certificate {found[:16]}: not a peer")
        return peer


def bind_local(path: Path) -> socket.socket:
    """A socket at `path`, in the place of one nobody listens on any more. Whoever may reach the path may
    connect; the kernel says who it is. PermanentError if something listens there."""
    local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        _make_way(path)
        local.bind(str(path))
        path.chmod(0o666)
    except OSError as error:
        local.close()
        raise PermanentError(
            f"the keeper's socket {path} cannot be made",
            details=str(error),
            resolution="Make its directory, on tmpfs, the keeper's own.",
        ) from error
    except PermanentError:
        local.close()
        raise
    return local


def _make_way(path: Path) -> None:
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        try:
            trial.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise PermanentError(
        f"a keeper listens on {path} already", resolution="There is one keeper: stop that one first."
    )
