"""Members of accounts read their builds' logs: each is signed in with the keeper for one request at a time,
by name, so that the ledger of releases says who read what, and when."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import Callable
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealock.core.errors import UsageError
from sealock.core.grant import Role, Session
from sealock.core.lease import KeeperAway
from sealock.core.log import LogReader, LogRemoval, Logs, was_removed
from sealock.core.sealed import Kind, Owner, Sealed, SealedValues
from sealock.core.secret import Secret
from sealock.keeper import protocol
from sealock.keeper.client import take_out
from sealock.keeper.log_keys import no_log, remove_log
from sealock.keeper.sealing import new_pair
from sealock.keeper.statements import sign

SIGNED_IN = 300.0
"""Seconds. For one request, which may have to wait for a slow back end."""

OWNER = "owner"
"""Who has the key of sessions itself; no member goes by that."""

_RUN_ID = re.compile(r"[0-9a-f]{32}")

SessionKey = Callable[[], Ed25519PrivateKey]


class Asked(Protocol):
    """A keeper that is asked."""

    async def ask(self, request: protocol.Request) -> protocol.Reply:
        """As `KeeperClient.ask`."""
        ...


async def open_for_person(
    keeper: Asked, sealed: Sealed, key: SessionKey, *, person: str, account: str, role: Role
) -> Secret:
    """A log's or an artifact's key, for this person, in whose name the ledger has it. key: private, of
    sessions that the keeper knows. Refused; KeeperAway."""
    told = await keeper.ask(protocol.AskStatus())
    if not isinstance(told, protocol.Told):
        raise KeeperAway("it answered something else than its status")
    private, public = new_pair()
    nonce = os.urandom(protocol.NONCE_LENGTH)
    with private:
        session = Session(
            id=secrets.token_hex(16),
            person=person,
            account=account,
            role=role,
            second_factor=False,
            key=public,
            epoch=told.epoch,
            expires_at=told.now + SIGNED_IN,
        )
        request = protocol.Open(sealed=(sealed,), session=sign(session, key()), nonce=nonce)
        (value,) = take_out(await keeper.ask(request), [sealed], nonce, private)
    return value


class SealedMemberLogs:
    """Logs for members of the accounts whose builds they are of (`core.log.MemberLogs`)."""

    def __init__(self, logs: Logs, values: SealedValues, keeper: Asked, key: SessionKey) -> None:
        """key: as of `open_for_person`."""
        self._logs = logs
        self._values = values
        self._keeper = keeper
        self._key = key

    def has_begun(self, owner: Owner, run_id: str) -> bool:
        """Whether there is something of it to read. UsageError if it was removed."""
        if not self._is_of(owner, run_id):
            return False
        if (gone := self._logs.removal(run_id)) is not None:
            raise was_removed(gone)
        return self._logs.has_begun(run_id)

    async def read(self, owner: Owner, run_id: str, *, person: str) -> LogReader:
        """Its log, for this member of the owner's account."""
        if not person or person == OWNER:
            raise ValueError("a log is read by somebody")
        sealed = await asyncio.to_thread(self._sealed_key, owner, run_id)
        with await open_for_person(
            self._keeper, sealed, self._key, person=person, account=owner.account, role=Role.MEMBER
        ) as key:
            return await asyncio.to_thread(self._logs.open, run_id, key)

    def remove(self, owner: Owner, run_id: str, by: str, why: str = "") -> None:
        """Destroy its sealed key, then remove it. UsageError if there is none, or it was removed."""
        if not self._is_of(owner, run_id):
            raise no_log(run_id)
        remove_log(self._logs, self._values, owner, run_id, by=by, why=why)

    def removal(self, run_id: str) -> LogRemoval | None:
        """What is remembered of a log that was removed."""
        return self._logs.removal(run_id)

    def _is_of(self, owner: Owner, run_id: str) -> bool:
        """There is, or was, a key of such a log of theirs: nobody has another's found or removed."""
        is_id = _RUN_ID.fullmatch(run_id) is not None
        return is_id and self._values.next_version(owner, Kind.LOG_KEY, run_id) > 1

    def _sealed_key(self, owner: Owner, run_id: str) -> Sealed:
        if not self.has_begun(owner, run_id):
            raise no_log(run_id)
        sealed = self._values.get(owner, Kind.LOG_KEY, run_id)
        if sealed is None:
            raise UsageError(
                f"the key of the log of build {run_id} was destroyed",
                resolution="Its removal was cut short: remove it again.",
            )
        return sealed
