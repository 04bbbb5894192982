"""Puts together the website: its database, its ports, its doors. Nothing here can open a secret, speak SSH,
start a machine or a program.

It stands apart from `wiring`, as `keeping` does, so that a test can load what a website's process loads and
look at all of it. `Serving` is the server over the settings; `open_parts` is what it is made of, for as long
as it runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from sealock.core.attended import end_of_input
from sealock.core.errors import SealockError, UsageError
from sealock.core.queue import SAFETY_POLL
from sealock.core.secret import Secret
from sealock.core.server import LOCAL_WORKER, Ready

if TYPE_CHECKING:
    import socket

    from sealock.access.authority import Authority
    from sealock.access.joining import Joining
    from sealock.core.certificate import Certificate
    from sealock.core.queue import Queue
    from sealock.serving_parts import Installation, Parts
    from sealock.store.database.engine import Database
    from sealock.web.origin import Origin
    from sealock.web.tls import Bound, Website

log = logging.getLogger(__name__)

HERE = ("localhost", "127.0.0.1")
"""Names the local authority certifies besides the website's own, for workers and people on this host."""

LOCAL_MACHINES = 1
"""Builds at once of the local worker, until it says itself how many."""

Say = Callable[[str], None]


class Serving:
    """The server over this host's settings (`core.server.Server`)."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self._settings = installation.settings
        self._doors: tuple[Bound, socket.socket] | None = None

    async def make_ready(self, *, local_worker: bool = False, link: bool = True) -> Ready:
        """Bring the database up to date; make the first link and the local worker's token if need be."""
        from sealock.access.passwords import Passwords
        from sealock.access.sign_in import Setup
        from sealock.store.database.access import DatabaseAccess
        from sealock.store.database.migrations import upgrade

        self.installation.user.settle()
        self._certificate()
        async with self._open_database() as database:
            await upgrade(database)
            setup = await Setup(DatabaseAccess(database), Passwords()).begin() if link else None
            join = await self._invite_local(database) if local_worker else None
        return Ready(str(self._origin), self._setup_link(setup), join, self._workers_here)

    def shut_in(self, say: Say) -> None:
        """Take the ports, become who serves, then give up what serving never needs, for good. UsageError if a
        port is taken, or it cannot become that user."""
        from sealock.core.shut_in import TO_THE_NETWORK_AND_HERE, shut_in

        self._doors = self._bind()
        for line in (self.installation.user.become(), *shut_in(TO_THE_NETWORK_AND_HERE)):
            say(line)

    async def serve(self, say: Say, *, attended: bool = False) -> None:
        """Serve until SIGTERM or SIGINT, once shut in; attended: or until standard input ends."""
        try:
            await self._serve(say, attended)
        except BaseExceptionGroup as errors:
            raise _first(errors) from errors

    async def _serve(self, say: Say, attended: bool) -> None:
        from sealock.web.app import make_app
        from sealock.web.tls import Website
        from sealock.web.worker_api import make_worker_app
        from sealock.web.worker_server import WorkerDoor

        assert self._doors is not None, "it is shut in before it serves"
        listening, for_workers = self._doors
        async with self._open_parts(say) as parts:
            website = Website(
                make_app(parts.web, self._origin), self._origin, self._certificate, parts.web.streams
            )
            door = WorkerDoor(
                make_worker_app(parts.workers),
                self._authority.website_certificate,
                self._authority.certificate(),
            )
            async with asyncio.TaskGroup() as group:
                serving = group.create_task(website.serve(listening))
                workers = group.create_task(door.serve_on(for_workers))
                stopping = group.create_task(_stop_with(website, attended))
                sweeping = group.create_task(parts.sweep.run())
                await website.ready.wait()
                await door.ready.wait()
                # Not before workers can be heard: a look says that they could have been since the last.
                looking = group.create_task(_put_back(parts.workers.queue))
                say(f"serving on {self._origin}, workers on {self._settings.worker_listen}")
                await asyncio.wait({serving, workers}, return_when=asyncio.FIRST_COMPLETED)
                door.stop()
                website.stop()
                for task in (stopping, looking, sweeping):
                    task.cancel()

    def authority(self) -> bytes:
        """The certificate of the installation's own authority, PEM."""
        return self._authority.certificate().read_bytes()

    @cached_property
    def _origin(self) -> Origin:
        from sealock.web.origin import Origin

        return Origin.parse(self._settings.origin)

    @cached_property
    def _authority(self) -> Authority:
        from sealock.access.authority import Authority

        return Authority(self._settings.data_dir / "authority", (self._origin.host, *HERE))

    def _bind(self) -> tuple[Bound, socket.socket]:
        """What browsers and what workers come to."""
        from sealock.web.tls import Listen, bind, bound_to

        host, port = _host_and_port(self._settings.listen)
        plain = self._settings.http_listen
        bound = bind(Listen(host, port, _host_and_port(plain) if plain else None))
        try:
            return bound, bound_to(*_host_and_port(self._settings.worker_listen), "worker_listen")
        except UsageError:
            bound.close()
            raise

    @property
    def _workers_here(self) -> str:
        """Where the local worker reaches the door for workers."""
        host, port = _host_and_port(self._settings.worker_listen)
        here = (*HERE, "0.0.0.0")  # noqa: S104 - what an operator may have written, nothing is bound to it
        return f"https://{'localhost' if host in here else host}:{port}"

    @property
    def _workers_elsewhere(self) -> str:
        """Where other hosts reach it."""
        return f"https://{self._origin.host}:{_host_and_port(self._settings.worker_listen)[1]}"

    def _certificate(self) -> Certificate:
        """What the website shows: the operator's, or one of our own authority."""
        from sealock.access.operators import operators_certificate

        chain, key = self._settings.certificate, self._settings.certificate_key
        if chain is None and key is None:
            return self._authority.website_certificate()
        if chain is None or key is None:
            raise UsageError(
                "certificate and certificate_key go together",
                resolution="Set both, or none for a certificate of the installation's own authority.",
            )
        return operators_certificate(chain, key, (self._origin.host,))

    def _setup_link(self, value: Secret | None) -> Secret | None:
        return None if value is None else Secret(f"{self._origin}/setup/{value.reveal().decode()}".encode())

    async def _invite_local(self, database: Database) -> Secret | None:
        """A token for the worker of this host, unless it has joined and is known still."""
        from sealock.store.database.workers import DatabaseWorkers

        workers = DatabaseWorkers(database)
        found = await workers.named(LOCAL_WORKER)
        has_certificate = (self._settings.data_dir / "worker" / "worker.pem").exists()
        if found is not None and found.certificate is not None and has_certificate:
            return None
        if found is None:
            await workers.add(LOCAL_WORKER, (), LOCAL_MACHINES)
        return await self._joining(database).invite(LOCAL_WORKER)

    def _joining(self, database: Database) -> Joining:
        from sealock.access.joining import Joining
        from sealock.store.database.access import DatabaseAccess

        return Joining(DatabaseAccess(database), self._authority)

    @asynccontextmanager
    async def _open_database(self) -> AsyncIterator[Database]:
        from sealock.store.database.engine import open_database

        async with open_database(self.installation.database_url()) as database:
            yield database

    @asynccontextmanager
    async def _open_parts(self, say: Say) -> AsyncIterator[Parts]:
        """All that the doors are given, for as long as the block runs."""
        from sealock.serving_parts import Making
        from sealock.serving_shared import open_wakeups

        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(self._open_database())
            wakeups = await stack.enter_async_context(open_wakeups(self._settings, database, say))
            making = Making(self.installation, database, wakeups, self._authority, self._origin)
            yield await making.parts(stack, self._workers_elsewhere, say)


async def _stop_with(website: Website, attended: bool) -> None:
    """Stop once standard input ends, for whoever started us; by signals it stops by itself."""
    if attended:
        await end_of_input()
        website.stop()


def _first(errors: BaseExceptionGroup) -> BaseException:
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


async def _put_back(queue: Queue) -> None:
    """What is past its deadline, for ever."""
    while True:
        try:
            await queue.put_back()
        except SealockError as error:  # whatever it is: pages can be read, and somebody may mend it
            log.warning("the queue was not looked at: %s", error)
        await asyncio.sleep(SAFETY_POLL)


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)
