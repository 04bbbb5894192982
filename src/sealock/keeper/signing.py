"""A worker's own key: what it signs before the keeper makes a lease for it, and how it becomes known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealock.core.lease import KeeperAway, LeaseRequest, NotKnownToKeeper, Refused, Terms
from sealock.keeper.asked import Ask, ask_for
from sealock.keeper.worker_messages import RUN, Admitted, AdmitWorker, AskKnown, Known


@dataclass(frozen=True)
class AsWorker:
    """A worker that asks for leases. key: gives what it signs with. name: what it is called; `` where that is
    not known here. is_run: it is `sealock run`, which makes itself known where it is an operator."""

    key: Callable[[], Ed25519PrivateKey]
    name: str = ""
    is_run: bool = False

    async def known_at(self, key: Ed25519PrivateKey, ask: Ask) -> float:
        """The keeper's time, from a keeper that knows this worker. NotKnownToKeeper; KeeperAway."""
        public = public_half(key)
        told = await ask_known(ask, public)
        if told.names[0]:
            return told.now
        name = RUN + told.peer if self.is_run else self.name
        if not self.is_run:
            raise NotKnownToKeeper(public, name)
        try:
            await ask_for(ask, AdmitWorker(name=name, key=public), Admitted)
        except Refused as error:
            raise NotKnownToKeeper(public, name) from error
        return told.now


async def ask_known(ask: Ask, *keys: bytes) -> Known:
    """Under which names those keys are known. KeeperAway."""
    told = await ask_for(ask, AskKnown(keys=keys), Known)
    if len(told.names) != len(keys):
        raise KeeperAway("it answered something else than what was asked for")
    return told


def request_of(terms: Terms, one_time: bytes, key: Ed25519PrivateKey, at: float) -> LeaseRequest:
    """What is to be signed with this key, on these terms. one_time: the public key the lease is for."""
    return LeaseRequest(
        build=terms.build,
        attempt=terms.attempt,
        account=terms.account,
        project=terms.project,
        plan_digest=terms.plan_digest,
        origin=terms.origin,
        found_on=terms.found_on,
        ssh_key=terms.ssh_key,
        steps=terms.steps,
        lifetime=terms.lifetime,
        key=one_time,
        worker=public_half(key),
        at=at,
    )


def public_half(key: Ed25519PrivateKey) -> bytes:
    """What others know the key by, 32 bytes."""
    return key.public_key().public_bytes_raw()
