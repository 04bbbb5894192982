"""A worker: it claims builds for as long as it has room, runs each, and stops in good order.

Told to stop, it takes nothing new and finishes what it has; told again, it gives that back. While the website
is away it asks again, ever more seldom. Machines that an earlier worker of this host left are ended first.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from sealock.builds import worker_wire as wire
from sealock.core.errors import PermanentError, SealockError, TemporaryError
from sealock.core.lease import admit_command
from sealock.link.errors import NotKnown
from sealock.link.host import HostPorts
from sealock.link.identity import Identity, new_pair
from sealock.link.running import FAILED, RunningBuild
from sealock.link.website import Website

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds between two tries to reach the website."""

LOOK_AT_CERTIFICATE = 3600.0
"""Seconds."""

LOOK_IF_KNOWN = 5.0
"""Seconds between two looks while the keeper does not know us."""

ANSWERED = 5.0
"""Seconds within which a claim is answered once the website knows that we stop."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Offer:
    """What a worker says of itself. machines: builds at once."""

    version: str
    machines: int
    labels: tuple[str, ...] = ()


class Worker:
    """say: takes lines for the operator."""

    def __init__(
        self, website: Website, identity: Identity, host: HostPorts, offer: Offer, say: Callable[[str], None]
    ) -> None:
        self._website, self._identity, self._host = website, identity, host
        self._offer, self._say = offer, say
        self._stopping = asyncio.Event()
        self._builds: dict[asyncio.Task[None], RunningBuild] = {}
        self._name = ""
        self._known = False

    def stop(self) -> None:
        """Take nothing new, and end once what runs has ended. A second time: give back what runs."""
        if self._stopping.is_set():
            for build in self._builds.values():
                build.stop()
        self._stopping.set()

    async def run(self) -> None:
        """Until it is stopped. NotKnown if the website does not know us, or no longer; PermanentError."""
        for remains in await asyncio.to_thread(self._host.reaper.reap):
            self._say(f"removed what an earlier worker left: {remains.kind} {remains.name}")
        welcome = await self._unless_stopped(self._until_answered(self._hello))
        if welcome is None:
            return
        self._name = welcome.name
        await self._unless_stopped(self._until_known())
        if self._stopping.is_set():
            return
        builds = "1 build" if self._offer.machines == 1 else f"{self._offer.machines} builds"
        self._say(f"ready: {welcome.name} takes {builds} at once from {self._website.server}")
        renewing = asyncio.create_task(self._keep_certificate())
        try:
            await self._take_builds()
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await self._all_ended()

    async def _take_builds(self) -> None:
        while not self._stopping.is_set():
            if len(self._builds) >= self._offer.machines:
                await self._unless_stopped(asyncio.wait(self._builds, return_when=asyncio.FIRST_COMPLETED))
                continue
            if not self._known:
                await self._unless_stopped(self._until_known())
                continue
            job = await self._claim()
            if job is not None:
                self._start(job)

    async def _until_known(self) -> None:
        """Builds wait in the queue, for us or for others, while the keeper would make no lease for us."""
        key, told = self._host.signing_key, False
        asked = wire.AskKnown(key=key)
        while not self._known:
            answer = await self._until_answered(lambda: self._website.say("known", asked, wire.IsKnown))
            self._known = answer.known
            if self._known:
                return
            if not told:
                self._say(f"waiting: the keeper does not know this worker, whose key is {key.hex()}")
                self._say(f"on the keeper's host, run: {admit_command(self._name, key)}")
                told = True
            await asyncio.sleep(LOOK_IF_KNOWN)

    async def _claim(self) -> wire.Job | None:
        """None if there is nothing, or we stop. Once asked, it is waited for: what is given here and not
        heard would have nobody who builds it."""
        asking = asyncio.create_task(self._until_answered(self._ask))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                with suppress(SealockError):
                    await self._website.say("drain", None, wire.Done)
                    await asyncio.wait({asking}, timeout=ANSWERED)
            return asking.result().job if asking.done() else None
        finally:
            for task in (asking, stopping):
                task.cancel()
            await asyncio.gather(asking, stopping, return_exceptions=True)

    async def _ask(self) -> wire.Claimed:
        return await self._website.say("claim", None, wire.Claimed, wait=wire.CLAIM_WAIT)

    def _start(self, job: wire.Job) -> None:
        build = RunningBuild(self._website, job, self._host)
        task = asyncio.create_task(self._see_to(build, job.name))
        self._builds[task] = build
        task.add_done_callback(self._builds.pop)

    async def _see_to(self, build: RunningBuild, name: str) -> None:
        """Whatever goes wrong with one build is no reason for the others to end."""
        self._say(f"{name}: begins")
        try:
            how = await build.go()
            # It may be because the keeper does not know us any more: others may have more luck with it.
            self._known = self._known and how != FAILED
            self._say(f"{name}: {how}")
        except Exception as error:  # it must not go unseen; the build is put back when its lease ends
            log.error("%s: ended by an error", name, exc_info=error)
            self._say(f"{name}: ended by an error: {error}")

    async def _all_ended(self) -> None:
        """What runs ends by itself, or because the website no longer has anything to say to us."""
        if self._builds:
            self._say(f"stopping: {len(self._builds)} builds go on to their end")
            await asyncio.wait(list(self._builds))

    async def _hello(self) -> wire.Welcome:
        offer = self._offer
        hello = wire.Hello(version=offer.version, machines=offer.machines, labels=offer.labels)
        try:
            return await self._website.say("hello", hello, wire.Welcome)
        except NotKnown:
            if not self._identity.next.exists():
                raise
        # The website may have adopted the certificate that was made to take the place of ours.
        self._website.use(self._identity.tls(of_next=True))
        welcome = await self._website.say("hello", hello, wire.Welcome)
        self._identity.take_next()
        return welcome

    async def _keep_certificate(self) -> None:
        while True:
            try:
                if self._identity.is_old():
                    await self.renew()
            except (TemporaryError, PermanentError) as error:
                log.warning("the certificate could not be renewed: %s", error)
            await asyncio.sleep(LOOK_AT_CERTIFICATE)

    async def renew(self) -> None:
        """Have a new certificate take the place of ours. If the last answer is lost, the next start finds
        out which of the two the website knows."""
        key, request = new_pair()
        asked = wire.Renew(request=request.decode())
        certified = await self._website.say("renew", asked, wire.Certified)
        self._identity.keep_next(key, certified.certificate.encode())
        await self._website.say("adopt", None, wire.Done)
        self._identity.take_next()
        self._website.use(self._identity.tls())

    async def _until_answered(self, ask: Callable[[], Awaitable[Result]]) -> Result:
        pause = FIRST_PAUSE
        while True:
            try:
                return await ask()
            except TemporaryError as error:
                log.warning("%s: %s", error.brief, error.details)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - so that not all come at once
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _unless_stopped(self, work: Awaitable[Result]) -> Result | None:
        """None if we are told to stop before it is done."""
        doing = asyncio.ensure_future(work)
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return doing.result() if doing.done() else None
        finally:
            for task in (doing, stopping):
                task.cancel()
            await asyncio.gather(doing, stopping, return_exceptions=True)
