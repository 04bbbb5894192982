"""What is asked of a keeper, wherever it is: one that is attended here, or one on another host."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sealock.core.lease import HeldLease, Terms
from sealock.core.sealed import Owner, PublicKey, Sealed
from sealock.core.secret import Secret
from sealock.keeper import protocol


class Keeper(Protocol):
    """Each of these may raise Refused, KeeperAway, or PermanentError where there is no keeper to trust."""

    async def __aenter__(self) -> Keeper:
        """Nothing is asked yet."""
        ...

    async def __aexit__(self, *_: object) -> None:
        """End what was started for it."""
        ...

    def lease(self, terms: Terms) -> AbstractAsyncContextManager[HeldLease]:
        """As `core.lease.Leases`."""
        ...

    async def public_key(self, owner: Owner) -> PublicKey:
        """What values of that owner are sealed to."""
        ...

    async def ask(self, request: protocol.Request) -> protocol.Reply:
        """As `keeper.client.KeeperClient.ask`."""
        ...

    async def open_for_owner(self, sealed: Sealed) -> Secret:
        """A log's or an artifact's key, for the owner of this installation."""
        ...

    async def there(self) -> None:
        """Return once it can be asked."""
        ...


class AskedPublicKeys:
    """Public keys, each asked of a keeper that is there for that long (`core.sealed.PublicKeys`).
    Not to be called where an event loop runs."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def public_key(self, owner: Owner) -> PublicKey:
        """What values of that owner are sealed to. As `Keeper.public_key`."""
        return asyncio.run(self._ask(owner))

    async def _ask(self, owner: Owner) -> PublicKey:
        async with self._keeper as keeper:
            return await keeper.public_key(owner)
