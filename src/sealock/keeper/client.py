"""Asks the keeper: leases for builds, and what an operator may know.

A lease is asked for in the name of a worker the keeper knows, signed with its key. The private half of the
lease's one-time pair is made here, stays here and is forgotten with the lease.
What comes back is opened with it and must be bound to this very request: so a relay cannot hand out what it
was given for another one. It can seal something of its own, as anybody can who has the lease's public key:
what arrives is not proof of what was set.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sealock.core.errors import PermanentError, SealockError
from sealock.core.keeper import KeeperStatus, KnownWorker
from sealock.core.lease import HeldLease, KeeperAway, Refused, Stated, Terms
from sealock.core.release import Entry
from sealock.core.sealed import LONGEST_VALUE, DoesNotOpen, Owner, PublicKey, RetiredKey, Sealed
from sealock.core.secret import Secret
from sealock.keeper import protocol
from sealock.keeper.asked_roll import AskedRoll
from sealock.keeper.key_messages import Cannot, told_error
from sealock.keeper.opening import open_with
from sealock.keeper.other_end import NOT_CONNECTED, credentials
from sealock.keeper.sealing import new_pair
from sealock.keeper.signing import AsWorker, request_of
from sealock.keeper.statements import NotSigned, sign, told_lease

MOST = 64
"""Values asked for in one request."""

AGAIN = 0.02
"""Seconds between two tries of a socket that takes no connection now."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Door(Protocol):
    """A way to a keeper: `LocalDoor`, `remote_door.RemoteDoor`, `carried_door.CarriedDoor`."""

    async def exchange(self, content: bytes) -> bytes:
        """The content of the frame that answers this one. OSError, BadFrame, or an error of ours."""
        ...

    def told(self, error: Exception) -> SealockError:
        """What to tell of an error on the way."""
        ...


@dataclass(frozen=True)
class LocalDoor:
    """A keeper on this host. users: who may be at the other end; somebody else's socket is not spoken to."""

    path: Path
    users: frozenset[int]

    async def knock(self) -> Streams:
        """A connection. OSError; PermanentError if another user is at the other end. Where there is no room
        for one, as while a stranger makes one after the other, it is waited for."""
        while True:
            reader, writer = await asyncio.open_unix_connection(self.path)
            user = credentials(writer.get_extra_info("socket"))[1]
            if user in self.users:
                return reader, writer
            writer.close()
            if user != NOT_CONNECTED:
                break
            await asyncio.sleep(AGAIN)
        raise PermanentError(
            f"{self.path} is not the keeper's",
            details=f"user {user} listens there",
            resolution="Find out what that is, and where the keeper's socket is (setting keeper_socket).",
        )

    async def exchange(self, content: bytes) -> bytes:
        """The content of the frame that answers this one. OSError, BadFrame; PermanentError as `knock`."""
        return await protocol.exchange(await self.knock(), content)

    def told(self, error: Exception) -> KeeperAway:
        """What to tell of an error on the way."""
        return KeeperAway(str(error))


class KeeperClient:
    """A keeper, as others see it (`core.lease.Leases`, `core.keeper.KeeperControl`)."""

    def __init__(
        self, door: Door, worker: AsWorker | None = None, *, deadline: float = protocol.DEADLINE
    ) -> None:
        """worker: in whose name leases are asked for; without one there are none."""
        self._door = door
        self._worker = worker
        self._deadline = deadline

    def lease(self, terms: Terms) -> AbstractAsyncContextManager[HeldLease]:
        """A lease on these terms, for a pair made for it alone. NotKnownToKeeper as well."""
        return self._lease(terms)

    @asynccontextmanager
    async def _lease(self, terms: Terms) -> AsyncIterator[HeldLease]:
        private, public = new_pair()
        with private:
            issued = await self.ask(await self._issue(terms, public))
            if not isinstance(issued, protocol.Issued):
                raise KeeperAway("it answered something else than a lease")
            try:
                yield _Held(self, issued.lease, private)
            finally:
                # It ends by time as well; a keeper that is away, or was exchanged, must not hide how the
                # block was left.
                with suppress(KeeperAway, PermanentError):
                    await asyncio.shield(self.ask(protocol.End(lease=issued.lease)))

    async def _issue(self, terms: Terms, public: bytes) -> protocol.Issue:
        """The request for a lease, signed at the keeper's time: another clock need not agree with it."""
        if self._worker is None:
            raise Refused("none: leases are for workers")
        key = self._worker.key()
        now = await self._worker.known_at(key, self.ask)
        stated = Stated(terms.branch, terms.protected, terms.fork)
        return protocol.Issue(asked=sign(request_of(terms, public, key, now), key), stated=stated)

    async def revoke(self, grant: str) -> None:
        """Take back the grant of that id. Refused, KeeperAway."""
        await self.ask(protocol.Revoke(grant=grant))

    async def end_all(self) -> None:
        """Begin a new epoch: every lease, session and grant so far is void. Refused, KeeperAway."""
        await self.ask(protocol.EndAll())

    async def workers(self) -> list[KnownWorker]:
        """The workers the keeper makes leases for, by name. Refused, KeeperAway."""
        return await AskedRoll(self.ask).workers()

    async def admit_worker(self, name: str, key: bytes) -> bytes | None:
        """As `asked_roll.AskedRoll.admit`."""
        return await AskedRoll(self.ask).admit(name, key)

    async def remove_worker(self, name: str) -> None:
        """As `asked_roll.AskedRoll.remove`."""
        await AskedRoll(self.ask).remove(name)

    async def status(self) -> KeeperStatus:
        """How the keeper is. KeeperAway."""
        told = await self.ask(protocol.AskStatus())
        if not isinstance(told, protocol.Told):
            raise KeeperAway("it answered something else than its status")
        return KeeperStatus(told.version, told.epoch, told.entries, told.achieved)

    async def public_key(self, owner: Owner) -> PublicKey:
        """What values of that owner are sealed to. Refused for one whose keys were destroyed; KeeperAway."""
        found = await self.ask(protocol.AskPublicKey(owner=owner))
        if not isinstance(found, protocol.Public) or found.key.owner != owner:
            raise KeeperAway("it answered something else than that owner's public key")
        return found.key

    async def exposures(self, *builds: str) -> list[Entry]:
        """The entries of every release for those builds, in order. Refused, KeeperAway."""
        found: list[protocol.ListedRelease] = []
        for start in range(0, len(builds), protocol.MOST_BUILDS):
            some = builds[start : start + protocol.MOST_BUILDS]
            listed = await self.ask(protocol.AskExposures(builds=some))
            if not isinstance(listed, protocol.Listed):
                raise KeeperAway("it answered something else than a list")
            found += listed.releases
        found.sort(key=lambda release: release.sequence)
        return [Entry(r.sequence, r.at, r.fact, r.previous, r.digest) for r in found]

    async def ask(self, request: protocol.Request) -> protocol.Reply:
        """The reply. Refused, RetiredKey; KeeperAway for every way not to get one, PermanentError if what
        answers is not the keeper or does not know us; to operators, who ask about keys, whatever error the
        keeper met.

        A request is never sent twice by itself: the first may have been answered and written down.
        """
        try:
            reply = protocol.decode_reply(await self.exchange(protocol.encode_request(request)))
        except protocol.BadFrame as error:
            raise self._door.told(error) from error
        return accepted(reply)

    async def exchange(self, content: bytes) -> bytes:
        """The content of the frame that answers this one, whatever it is. KeeperAway, PermanentError."""
        try:
            async with asyncio.timeout(self._deadline):
                return await self._door.exchange(content)
        except TimeoutError as error:
            late = TimeoutError(f"no reply within {self._deadline:g} seconds")
            raise self._door.told(late) from error
        except (OSError, protocol.BadFrame) as error:
            raise self._door.told(error) from error


class _Held:
    """A lease, and the private half of its key."""

    def __init__(self, client: KeeperClient, lease: str, private: Secret) -> None:
        self._client = client
        self._lease = lease
        self._private = private
        try:
            self.expires_at = told_lease(lease).expires_at
        except NotSigned as error:
            raise KeeperAway("it answered something else than a lease") from error

    async def open(self, sealed: Sealed, *, step: str = "") -> Secret:
        return (await self.open_all([sealed], step=step))[0]

    async def open_all(self, sealed: Sequence[Sealed], *, step: str = "") -> list[Secret]:
        found: list[Secret] = []
        for some in in_requests(sealed):
            nonce = os.urandom(protocol.NONCE_LENGTH)
            request = protocol.Open(sealed=tuple(some), step=step, lease=self._lease, nonce=nonce)
            found += take_out(await self._client.ask(request), some, nonce, self._private)
        return found


def in_requests(sealed: Iterable[Sealed]) -> Iterator[list[Sealed]]:
    """As many at a time as one request may hold."""
    some: list[Sealed] = []
    for each in sealed:
        if some and (sum(len(s.data) for s in some) + len(each.data) > LONGEST_VALUE or len(some) == MOST):
            yield some
            some = []
        some.append(each)
    if some:
        yield some


def take_out(reply: protocol.Reply, asked: Sequence[Sealed], nonce: bytes, private: Secret) -> list[Secret]:
    """The values of a reply, if it is the answer to this very request. KeeperAway."""
    if not isinstance(reply, protocol.Handed) or len(reply.values) != len(asked):
        raise KeeperAway("it answered something else than what was asked for")
    try:
        return [
            open_with(private, protocol.binding(nonce, wanted.name), value.sealed)
            for wanted, value in zip(asked, reply.values, strict=True)
        ]
    except DoesNotOpen as error:
        raise KeeperAway("what it handed out is not what was asked for") from error


def accepted(reply: protocol.Reply) -> protocol.Reply:
    """The reply, unless it says that there is none: what it raises, `KeeperClient.ask` does."""
    match reply:
        case protocol.No(reference=reference):
            raise Refused(reference)
        case protocol.Away(reference=reference):
            raise KeeperAway(f"it cannot do that now; its log says why, under reference {reference}")
        case protocol.Retired():
            raise RetiredKey
        case Cannot():
            raise told_error(reply)
    return reply
