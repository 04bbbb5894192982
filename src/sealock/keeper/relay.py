"""Carries what a worker asks of the keeper, as far as it is about the build that the worker has.

The terms of a lease are stated by the server's own records, whatever the worker says they are. A release is
carried without being looked into: it is sealed to the worker's one-time key. All else is refused, in the
keeper's own words, so that a worker cannot tell who refused it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from sealock.core.builds import Work
from sealock.core.decision import Denied
from sealock.core.errors import TemporaryError
from sealock.core.lease import LONGEST_LEASE, KeeperAway
from sealock.core.sealed import Owner, Sealed, SealedName
from sealock.keeper import protocol
from sealock.keeper.client import KeeperClient
from sealock.keeper.refusals import Refusals
from sealock.keeper.statements import NotSigned, told_lease

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
        self._name = ""

    async def carry(self, frame: bytes, work: Work, run: str) -> bytes:
        """The frame that answers this one. work, run: of the build and the attempt that the worker was shown
        to have. KeeperAway."""
        try:
            request = await self._allowed(protocol.decode_request(frame), work, run)
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

    async def _allowed(
        self, request: protocol.Request, work: Work, run: str
    ) -> protocol.Issue | protocol.Open | protocol.End | protocol.AskPublicKey | Denied:
        match request:
            case protocol.Issue():
                return await self._issue(request, work, run)
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

    async def _issue(self, request: protocol.Issue, work: Work, run: str) -> protocol.Issue:
        terms, build = request.terms, work.build
        stated = replace(
            terms,
            build=run,
            account=build.account,
            project=work.project.id,
            ssh_key=None if terms.ssh_key is None else _key_of(work),
            branch=build.branch,
            protected=build.protected,
            fork=build.from_fork,
            worker=await self._called(),
            lifetime=min(terms.lifetime, LONGEST_LEASE),
        )
        return request.model_copy(update={"terms": stated})

    async def _called(self) -> str:
        """What the keeper calls the website; leases are made out to that."""
        if not self._name:
            told = await self._once_there(lambda: self._client.ask(protocol.AskStatus()))
            if not isinstance(told, protocol.Told) or not told.peer:
                raise KeeperAway("it did not say what it calls us")
            self._name = told.peer
        return self._name

    def _refused(self, run: str, why: str) -> bytes:
        reference = secrets.token_hex(8)
        self._refusals.note(f"refused reference={reference} build={run} why={why[:LONGEST_WHY]!r}")
        return protocol.encode_reply(protocol.No(reference=reference))


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
