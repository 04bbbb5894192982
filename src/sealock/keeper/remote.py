"""A keeper on another host, asked as the one on this host is. It is never started from here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealock.core.lease import HeldLease, Terms
from sealock.core.sealed import Owner, PublicKey, Sealed
from sealock.core.secret import Secret
from sealock.keeper import protocol
from sealock.keeper.client import KeeperClient
from sealock.keeper.owner import open_for_owner


class RemoteKeeper:
    """A keeper that runs elsewhere (`core.lease.Leases`, `keeper.within_reach.Keeper`). Use it as
    `async with`, for what must be there for one that runs here."""

    def __init__(self, client: KeeperClient, owner_key: Callable[[], Ed25519PrivateKey]) -> None:
        """owner_key: what the owner of this installation signs in with; the keeper's `authorities.json` has
        its public half among `sessions`."""
        self.client = client
        self._owner_key = owner_key
        self._answers = False

    async def __aenter__(self) -> RemoteKeeper:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing of it is ours to end."""

    def lease(self, terms: Terms) -> AbstractAsyncContextManager[HeldLease]:
        """As `core.lease.Leases`."""
        return self.client.lease(terms)

    async def public_key(self, owner: Owner) -> PublicKey:
        """As `KeeperClient.public_key`."""
        return await self.client.public_key(owner)

    async def ask(self, request: protocol.Request) -> protocol.Reply:
        """As `KeeperClient.ask`."""
        return await self.client.ask(request)

    async def open_for_owner(self, sealed: Sealed) -> Secret:
        """As `keeper.owner.open_for_owner`, for the owner of this installation."""
        return await open_for_owner(self.client, sealed, self._owner_key)

    async def there(self) -> None:
        """Return once it has answered. KeeperAway; PermanentError if it does not let us in."""
        if not self._answers:
            await self.client.status()
            self._answers = True
