"""A worker as a process: it joins, and works until signals tell it to stop."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

from sealock.core.attended import end_of_input
from sealock.core.errors import UsageError
from sealock.core.naming import rule_of
from sealock.core.queue import LABEL, MOST_LABELS
from sealock.core.secret import Secret
from sealock.core.worker_process import WorkerOptions
from sealock.link.errors import NotKnown
from sealock.link.host import HostPorts, machines_that_fit
from sealock.link.identity import Identity, JoinToken
from sealock.link.joining import join
from sealock.link.website import Website
from sealock.link.worker import Offer, Worker

SERVER = re.compile(r"https://(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?/?")

OpenHost = Callable[[], AbstractAsyncContextManager[HostPorts]]
"""What builds are run with here, for as long as the block runs."""


class LinkedWorker:
    """A `core.worker_process.WorkerProcess`. version: of Sealock. UsageError for an address or labels that
    cannot be."""

    def __init__(self, options: WorkerOptions, host: OpenHost, version: str) -> None:
        if not SERVER.fullmatch(options.server):
            raise UsageError(
                f"{options.server[:200]!r} is no website's address",
                resolution="Give its port for workers as https://HOST:PORT.",
            )
        strange = [label for label in options.labels if not LABEL.fullmatch(label)]
        if strange or len(options.labels) > MOST_LABELS:
            raise UsageError(
                f"{strange[0][:70]!r} is no label" if strange else f"more than {MOST_LABELS} labels",
                resolution=rule_of(LABEL),
            )
        self._options, self._host, self._version = options, host, version
        self._identity = Identity(options.state)

    @property
    def joined(self) -> bool:
        """It has been let in before."""
        return self._identity.joined

    async def join(self, token: Secret) -> None:
        """As the port; the token is forgotten."""
        with token:
            found = JoinToken.parse(token.reveal().decode(errors="replace"))
        await join(self._options.server, found, self._identity)

    async def work(self, say: Callable[[str], None], *, attended: bool = False) -> None:
        """As the port."""
        self._refuse_unknown()
        machines = self._options.machines or machines_that_fit()
        offer = Offer(self._version, machines, self._options.labels)
        async with self._host() as host, Website(self._options.server, self._identity.tls()) as website:
            worker = Worker(website, self._identity, host, offer, say)
            ending = asyncio.create_task(_stop_with_input(worker)) if attended else None
            try:
                with _told_by_signals(worker.stop):
                    await worker.run()
            finally:
                if ending is not None:
                    ending.cancel()
                    await asyncio.gather(ending, return_exceptions=True)

    def _refuse_unknown(self) -> None:
        if not self._identity.joined:
            raise UsageError(
                "this worker has not joined the website yet",
                resolution="`sealock workers add NAME` prints a token: give it with --join.",
            )
        until = self._identity.times()[1]
        if time.time() > until:
            raise NotKnown(f"its certificate ran out on {time.strftime('%Y-%m-%d', time.gmtime(until))}")


async def _stop_with_input(worker: Worker) -> None:
    """Whoever started us is gone, and with them the website: there is nobody to finish a build for."""
    await end_of_input()
    worker.stop()
    worker.stop()


@contextmanager
def _told_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    loop, signals = asyncio.get_running_loop(), (signal.SIGTERM, signal.SIGINT)
    for one in signals:
        loop.add_signal_handler(one, stop)
    try:
        yield
    finally:
        for one in signals:
            loop.remove_signal_handler(one)
