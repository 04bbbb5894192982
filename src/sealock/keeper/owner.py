"""The owner of an installation signs in, for one request at a time, with a key that only they can read."""

from __future__ import annotations

from sealock.core.grant import Role
from sealock.core.sealed import LOCAL_ACCOUNT, Sealed
from sealock.core.secret import Secret
from sealock.keeper.member import OWNER, Asked, SessionKey, open_for_person

__all__ = ["OWNER", "open_for_owner"]


async def open_for_owner(client: Asked, sealed: Sealed, key: SessionKey) -> Secret:
    """A log's or an artifact's key, for who holds the private key of sessions that the keeper knows.
    Refused; KeeperAway."""
    return await open_for_person(client, sealed, key, person=OWNER, account=LOCAL_ACCOUNT, role=Role.OWNER)
