"""The owner of an installation signs in, for one request at a time, with a key that only they can read."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealock.core.grant import Role, Session
from sealock.core.lease import KeeperAway
from sealock.core.sealed import LOCAL_ACCOUNT, Sealed
from sealock.core.secret import Secret
from sealock.keeper import protocol
from sealock.keeper.client import KeeperClient, take_out
from sealock.keeper.sealing import new_pair
from sealock.keeper.statements import sign

OWNER = "owner"
SIGNED_IN = 300.0
"""Seconds. For one request, which may have to wait for a slow back end."""


async def open_for_owner(
    client: KeeperClient, sealed: Sealed, key: Callable[[], Ed25519PrivateKey]
) -> Secret:
    """A log's or an artifact's key, for who holds the private key of sessions that the keeper knows.
    Refused; KeeperAway."""
    told = await client.ask(protocol.AskStatus())
    if not isinstance(told, protocol.Told):
        raise KeeperAway("it answered something else than its status")
    private, public = new_pair()
    nonce = os.urandom(protocol.NONCE_LENGTH)
    with private:
        session = sign(_signed_in(public, told), key())
        request = protocol.Open(sealed=(sealed,), session=session, nonce=nonce)
        (value,) = take_out(await client.ask(request), [sealed], nonce, private)
    return value


def _signed_in(public: bytes, told: protocol.Told) -> Session:
    return Session(
        id=secrets.token_hex(16),
        person=OWNER,
        account=LOCAL_ACCOUNT,
        role=Role.OWNER,
        second_factor=False,
        key=public,
        epoch=told.epoch,
        expires_at=told.now + SIGNED_IN,
    )
