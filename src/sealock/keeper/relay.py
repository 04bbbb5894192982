"""Carries what a worker asks of the keeper, as far as it is about the build that the worker has.

What the worker signed is carried as it is, if it is about its build. What a lease depends on besides, the
server's own records say, whatever the worker says. A release is carried without being looked into: it is
sealed to the worker's one-time key. All else is refused, in the keeper's own words, so that a worker cannot
tell who refused it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sealock.core.builds import Work
from sealock.core.decision import Denied
from sealock.core.errors import TemporaryError
from sealock.core.lease import Stated
from sealock.core.sealed import Owner, Sealed, SealedName
from sealock.keeper import protocol
from sealock.keeper.client import KeeperClient
from sealock.keeper.refusals import Refusals
from sealock.keeper.statements import NotSigned, told_lease, told_request
from sealock.keeper.worker_messages import AskKnown

BACK = 10.0
"""Seconds for which a keeper that is not there is waited for: it may just be starting anew."""

AGAIN = 0.2
"""Seconds between two tries."""

NOBODY = (ConnectionRefusedError, FileNotFoundError)
"""What a connection meets where no keeper listens."""

LONGEST_WHY = 300
"""Characters of a reason, as it is written down."""

Answer = TypeVar("Answer")


class WorkerRelay:
    """client: the keeper, as the website is known to it. log: takes a line for each frame that is refused,
    as far as `Refusals` lets them pass. back: seconds."""

    def __init__(self, client: KeeperClient, log: Callable[[str], None], back: float = BACK) -> None:
        self._client = client
        self._refusals = Refusals(log)
        self._back = back

    async def carry(self, frame: bytes, work: Work, run: str) -> bytes:
        """The frame that answers this one. work, run: of the build and the attempt that the worker was shown
        to have. KeeperAway."""
        try:
            request = self._allowed(protocol.decode_request(frame), work, run)
        except protocol.BadFrame as error:
            request = Denied(str(error))
        if isinstance(request, Denied):
            return self._refused(run, request.reason)
        content = protocol.encode_request(request)
        return await self._once_there(lambda: self._client.exchange(content))

    async def _once_there(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask again while there is nobody to be asked. What may have been heard is never said twice."""
        until = time.monotonic() + self._back
        while True:
            try:
                return await ask()
            except TemporaryError as error:
                if not isinstance(error.__cause__, NOBODY) or time.monotonic() > until:
                    raise
            await asyncio.sleep(AGAIN)

    def _allowed(
        self, request: protocol.Request, work: Work, run: str
    ) -> protocol.Issue | protocol.Open | protocol.End | protocol.AskPublicKey | AskKnown | Denied:
        match request:
            case protocol.Issue():
                return _issue(request, work, run)
            case AskKnown():
                return request if len(request.keys) == 1 else Denied("more than one worker is asked for")
            case protocol.Open():
                return (
                    request if is_only_of(request, run) else Denied("it is not within a lease of this build")
                )
            case protocol.End():
                return request if build_of(request.lease) == run else Denied("another build's lease is ended")
            case protocol.AskPublicKey():
                ours = request.owner == _owner(work)
                return request if ours else Denied("another owner's key is asked for")
        return Denied(f"a worker does not ask for {request.op}")

    def _refused(self, run: str, why: str) -> bytes:
        reference = secrets.token_hex(8)
        self._refusals.note(f"refused reference={reference} build={run} why={why[:LONGEST_WHY]!r}")
        return protocol.encode_reply(protocol.No(reference=reference))


def _issue(request: protocol.Issue, work: Work, run: str) -> protocol.Issue | Denied:
    try:
        asked = told_request(request.asked)
    except NotSigned as error:
        return Denied(str(error))
    if (asked.build, asked.account, asked.project) != (run, work.build.account, work.project.id):
        return Denied("a lease is asked for another build or project")
    if asked.ssh_key not in (None, _key_of(work)):
        return Denied("another key than the project's is asked for")
    if asked.origin != work.project.origin:
        return Denied("a lease is asked for code of another repository")
    build = work.build
    stated = Stated(build.branch, build.protected, build.from_fork)
    return request.model_copy(update={"stated": stated})


def is_only_of(request: protocol.Open, run: str) -> bool:
    """Whether it relies on a lease of this attempt and on nothing else."""
    within = request.lease is not None and request.session is None and request.grant is None
    return within and build_of(request.lease or "") == run


def build_of(lease: str) -> str | None:
    """The build a lease is of, by its own word: the keeper checks who signed it."""
    try:
        return told_lease(lease).terms.build
    except NotSigned:
        return None


def _owner(work: Work) -> Owner:
    return Owner(work.build.account, work.project.id)


def _key_of(work: Work) -> SealedName | None:
    sealed = work.project.sealed_key
    return sealed.name if isinstance(sealed, Sealed) else None
