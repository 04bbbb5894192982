"""What a worker says of one build it has, and what it gets for it.

What a build cannot go on without is asked for again while the website is away, since asking twice does no
harm: whoever waits is ended once the build is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sealock.builds import worker_wire as wire
from sealock.builds.pinned import Pinned
from sealock.core.build import BuildRecord, Outcome
from sealock.core.builds import Progress
from sealock.core.errors import TemporaryError
from sealock.core.lease import KeeperAway
from sealock.core.queue import Beat
from sealock.core.sealed import Kind, RetiredKey, Sealed
from sealock.link.errors import WebsiteAway
from sealock.link.website import Website

PAUSE, LONGEST_PAUSE = 0.25, 3.0
"""Seconds between two tries while the website is away."""

Answer = TypeVar("Answer")


async def until_answered(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask again for as long as the website is away; the build is lost before that is for ever."""
    pause = PAUSE
    while True:
        try:
            return await ask()
        except TemporaryError:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


class JobLink:
    """Of one attempt. Every method may raise what `Website.say` does."""

    def __init__(self, website: Website, job: wire.Job) -> None:
        self._website = website
        self._at = f"builds/{job.build}/{job.attempt}"

    async def beat(self, wait: float) -> Beat:
        """That we are at it. wait: seconds for which the answer may be held back."""
        said = wire.AskBeat(wait=wait)
        return (await self._website.say(f"{self._at}/beat", said, wire.Beaten, wait=wait)).beat

    async def begin_deployment(self) -> Beat:
        """As `core.queue.Queue.begin_deployment`."""
        return (await self._website.say(f"{self._at}/deployment", None, wire.Beaten)).beat

    async def progress(self, progress: Progress) -> None:
        """All there is to say so far."""
        await self._website.say(f"{self._at}/progress", wire.Report(progress=progress), wire.Done, put=True)

    async def log(self, offset: int, data: bytes) -> int:
        """Bytes of the sealed log from there on; how many the website has now."""
        query = {"offset": offset}
        return (await self._website.send_bytes(f"{self._at}/log", data, wire.LogSize, query)).size

    async def keep_log_key(self, sealed: Sealed) -> None:
        """RetiredKey as well."""
        said = wire.LogKey(sealed=sealed)
        path = f"{self._at}/log-key"
        kept = await until_answered(lambda: self._website.say(path, said, wire.Kept, put=True))
        if kept.retired:
            raise RetiredKey

    async def sealed(self, kind: Kind, name: str, version: int | None) -> Sealed | None:
        """A value of the project."""
        said = wire.AskSealed(kind=kind, name=name, version=version)
        path = f"{self._at}/sealed"
        return (await until_answered(lambda: self._website.say(path, said, wire.Found))).sealed

    async def pinned(self) -> Pinned | None:
        """The versions it is to get."""
        path = f"{self._at}/pinned"
        return (await until_answered(lambda: self._website.say(path, None, wire.Versions))).pinned

    async def carry(self, frame: bytes) -> bytes:
        """A frame to the keeper, and the one that answers it. KeeperAway instead of WebsiteAway: what may
        have reached the keeper is not asked for twice, since it hands some things out once."""
        while True:
            try:
                return await self._website.send(f"{self._at}/keeper", frame)
            except TemporaryError as error:
                if not (isinstance(error, WebsiteAway) and error.unasked):
                    raise KeeperAway(f"{error.brief}: {error.details}") from error
            await asyncio.sleep(PAUSE)

    async def end(self, outcome: Outcome, reason: str, record: BuildRecord | None) -> None:
        """How it came out."""
        said = wire.End(outcome=outcome, reason=wire.fitting(reason), record=record)
        await self._website.say(f"{self._at}/end", said, wire.Done)

    async def fail(self, reason: str, *, temporary: bool) -> None:
        """It could not be run."""
        said = wire.Fail(reason=wire.fitting(reason), temporary=temporary)
        await self._website.say(f"{self._at}/fail", said, wire.Done)
