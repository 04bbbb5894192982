"""A keeper on another host, asked as the one on this host is. It is never started from here.

Peers of a keeper have names of their own, and a lease is made out to one; so the keeper is asked first what
it calls us, and the terms of a lease name that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealock.core.lease import HeldLease, KeeperAway, Terms
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
        self._name = ""

    async def __aenter__(self) -> RemoteKeeper:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing of it is ours to end."""

    @asynccontextmanager
    async def lease(self, terms: Terms) -> AsyncIterator[HeldLease]:
        """As `core.lease.Leases`, made out to the name the keeper has for us."""
        await self.there()
        async with self.client.lease(replace(terms, worker=self._name)) as held:
            yield held

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
        """Return once it has said what it calls us. KeeperAway; PermanentError if it does not let us in."""
        if self._name:
            return
        told = await self.client.ask(protocol.AskStatus())
        if not isinstance(told, protocol.Told) or not told.peer:
            raise KeeperAway("it did not say what it calls us")
        self._name = told.peer
