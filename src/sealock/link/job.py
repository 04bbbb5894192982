"""What a worker says of one build it has, and what it gets for it."""

from __future__ import annotations

from sealock.builds import worker_wire as wire
from sealock.builds.pinned import Pinned
from sealock.core.build import BuildRecord, Outcome
from sealock.core.builds import Progress
from sealock.core.errors import TemporaryError
from sealock.core.lease import KeeperAway
from sealock.core.queue import Beat
from sealock.core.sealed import Kind, RetiredKey, Sealed
from sealock.link.website import Website


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
        if (await self._website.say(f"{self._at}/log-key", said, wire.Kept, put=True)).retired:
            raise RetiredKey

    async def sealed(self, kind: Kind, name: str, version: int | None) -> Sealed | None:
        """A value of the project."""
        said = wire.AskSealed(kind=kind, name=name, version=version)
        return (await self._website.say(f"{self._at}/sealed", said, wire.Found)).sealed

    async def pinned(self) -> Pinned | None:
        """The versions it is to get."""
        return (await self._website.say(f"{self._at}/pinned", None, wire.Versions)).pinned

    async def carry(self, frame: bytes) -> bytes:
        """A frame to the keeper, and the one that answers it. KeeperAway instead of WebsiteAway."""
        try:
            return await self._website.send(f"{self._at}/keeper", frame)
        except TemporaryError as error:
            raise KeeperAway(f"{error.brief}: {error.details}") from error

    async def end(self, outcome: Outcome, reason: str, record: BuildRecord | None) -> None:
        """How it came out."""
        said = wire.End(outcome=outcome, reason=wire.fitting(reason), record=record)
        await self._website.say(f"{self._at}/end", said, wire.Done)

    async def fail(self, reason: str, *, temporary: bool) -> None:
        """It could not be run."""
        said = wire.Fail(reason=wire.fitting(reason), temporary=temporary)
        await self._website.say(f"{self._at}/fail", said, wire.Done)
