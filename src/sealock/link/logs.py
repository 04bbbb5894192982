"""The log of a build, sealed here as it is printed and sent to the website as it is sealed.

It lies in memory (tmpfs) until the build has ended, whole: wherever the website is after a restart, it says
how much it has, and gets what follows. What it gets it cannot open.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from sealock.builds.worker_wire import LONGEST_PIECE
from sealock.core.errors import PermanentError, TemporaryError
from sealock.core.log import LOG_KEY_LENGTH, Logs, LogWriter
from sealock.core.sealed import Kind, Owner, PublicKey, RetiredKey, Seal, SealedName
from sealock.core.secret import Secret
from sealock.link.job import JobLink

LOOK = 0.2
"""Seconds within which what was sealed is on its way."""

LONGEST_PAUSE = 3.0
"""Seconds between two tries while the website is away."""

MOST_BEHIND = 16 * LONGEST_PIECE
"""Bytes not sent with which the build waits."""

SUFFIX = ".log"

Send = Callable[[int, bytes], Awaitable[int]]
"""Sends bytes from an offset on; how many the website has then."""


class PublicKeys(Protocol):
    """The keeper, as it is asked here."""

    async def public_key(self, owner: Owner) -> PublicKey:
        """What values of that owner are sealed to."""
        ...


class SentLogs:
    """The one log of one build (`core.log.NewLogs`). directory: where `logs` keeps its files."""

    def __init__(self, link: JobLink, keys: PublicKeys, seal: Seal, logs: Logs, directory: Path) -> None:
        self._link, self._keys, self._seal = link, keys, seal
        self._logs, self._directory = logs, directory
        self._upload: Upload | None = None

    async def begin(self, owner: Owner, build_id: str) -> LogWriter:
        """As the port: the website has the sealed key before there is a log."""
        name = SealedName(owner.account, owner.project, Kind.LOG_KEY, build_id, 1)
        with Secret(os.urandom(LOG_KEY_LENGTH)) as key:
            try:
                await self._keep_key(name, key)
            except RetiredKey:  # keys were rotated at this moment
                await self._keep_key(name, key)
            writer = self._logs.create(build_id, key)
        self._upload = Upload(self._directory / f"{build_id}{SUFFIX}", self._link.log)
        return writer

    async def drained(self) -> None:
        """Return once not too much is waiting to be sent. PermanentError if no more can be."""
        if self._upload is not None:
            await self._upload.drained()

    async def finish(self) -> None:
        """Return once all of it is there. What stopped it is raised: PermanentError."""
        if self._upload is not None:
            await self._upload.finish()

    async def give_up(self) -> None:
        """Send no more of it."""
        if self._upload is not None:
            await self._upload.give_up()

    async def _keep_key(self, name: SealedName, key: Secret) -> None:
        await self._link.keep_log_key(self._seal(name, key, await self._keys.public_key(name.owner)))


class Upload:
    """A file that grows, and what of it has been sent. It begins at once."""

    def __init__(self, path: Path, send: Send) -> None:
        self._path, self._send = path, send
        self._sent = 0
        self._last = False
        self._look = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def drained(self) -> None:
        """Return once not too much is waiting. PermanentError if no more can be sent."""
        # The file grows by another's hand, which tells no event.
        while not self._task.done() and self._path.stat().st_size - self._sent > MOST_BEHIND:  # noqa: ASYNC110
            await asyncio.sleep(LOOK)
        if self._task.done():
            self._task.result()

    async def finish(self) -> None:
        """Nothing more is added: return once all is there. PermanentError if it cannot be."""
        self._last = True
        self._look.set()
        await self._task

    async def give_up(self) -> None:
        """Send no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        pause = LOOK
        while True:
            try:
                self._sent = await self._send(0, b"")
                await self._follow()
                return
            except TemporaryError:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    async def _follow(self) -> None:
        """Until all is sent and nothing more comes."""
        file = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            while True:
                last = self._last
                data = os.pread(file, LONGEST_PIECE, self._sent)
                if data:
                    self._take(await self._send(self._sent, data), os.fstat(file).st_size)
                elif last:
                    return
                else:
                    await self._wait()
        finally:
            os.close(file)

    def _take(self, size: int, ours: int) -> None:
        if size > ours:
            raise PermanentError(
                "the website has more of the log than there is",
                details=f"{size} bytes, and there are {ours}",
                resolution="Something else writes into its logs.",
            )
        self._sent = size

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(LOOK):
                await self._look.wait()
        except TimeoutError:
            return
