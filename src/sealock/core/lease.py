"""A lease: what one attempt at a build may be given, to which key, and until when.

Whoever schedules builds states the terms; the keeper makes a lease of them, by its own clock, and signs
it. The worker that holds the lease asks for one thing at a time. The lease, not the worker, says what
there is to have, and what is released is sealed to the lease's key: of no use to whoever carries it.

`async with leases.lease(terms) as lease:` makes the one-time pair and asks for the lease; leaving the
block ends it, and the private half is forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from sealock.core.errors import PermanentError, TemporaryError
from sealock.core.sealed import Sealed, SealedName
from sealock.core.secret import Secret
from sealock.core.source import GitOrigin

LONGEST_LEASE = 24 * 3600.0
"""Seconds. No build takes longer."""

MOST_STEPS = 256
MOST_SECRETS = 256


class Refused(PermanentError):
    """The keeper said no. It never says why to who asked: not even whether there is such a thing."""

    def __init__(self, reference: str) -> None:
        super().__init__(
            "the keeper refused",
            details=f"reference {reference}",
            resolution="The keeper's own log says why, under that reference.",
        )
        self.reference = reference


class KeeperAway(TemporaryError):
    """The keeper, or what holds its keys, cannot be reached or did not answer in time."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "the keeper did not answer",
            details=why,
            resolution="See that `sealock keeper` runs and its back end can be reached; then try again.",
        )


@dataclass(frozen=True)
class LeasedStep:
    """kind: `setup`, `test` or `deploy`. pipeline: whose step it is, `` for the setup. secrets: the very
    versions it may have. A step's name is its lease's only one of that name."""

    name: str
    kind: str
    pipeline: str
    secrets: tuple[SealedName, ...] = ()


class NotKnownToKeeper(TemporaryError):
    """The keeper makes no lease for who asks: their signing key is no worker's it knows. key: the public
    half. name: what it would be called, `` if that is not known here."""

    def __init__(self, key: bytes, name: str = "") -> None:
        super().__init__(
            "the keeper does not know this worker",
            details=f"its key is {key.hex()}",
            resolution="On the keeper's host, if that key is this worker's: "
            f"`{admit_command(name or 'NAME', key)}`.",
        )
        self.key = key


def admit_command(name: str, key: bytes) -> str:
    """What makes a worker known to the keeper, run on its host."""
    return f"sealock keeper workers admit {name} {key.hex()}"


@dataclass(frozen=True)
class LeaseRequest:
    """What a worker asks for, signed by it as a whole: who carries it can neither alter nor use it. The
    fields are those of `Terms`. origin, found_on: what it really fetches, whatever it was told. key: its
    one-time public key, 32 bytes (X25519). worker: the public half of the key it signs with, 32 bytes
    (Ed25519). at: seconds since 1970, as the keeper told."""

    build: str
    attempt: int
    account: str
    project: str
    plan_digest: str
    origin: GitOrigin | None
    found_on: str | None
    ssh_key: SealedName | None
    steps: tuple[LeasedStep, ...]
    lifetime: float
    key: bytes
    worker: bytes
    at: float


@dataclass(frozen=True)
class Stated:
    """What whoever schedules says of the commit; the fields are those of `Terms`."""

    branch: str | None
    protected: bool
    fork: bool


@dataclass(frozen=True)
class Terms:
    """What a lease is on: what its worker asked for, and what whoever schedules states. attempt: counts up
    with each lease of this build; a new one ends the one before. origin: what is built comes from there, None
    for a directory of the worker's host. found_on: the branch there that leads to the commit, as the worker
    saw, None if it saw none. ssh_key: the one the fetch needs, None for a directory. steps: in
    the order they will run. branch None: not known to be one. protected: the branch is. fork: the commit is
    from another repository's pull request. lifetime: seconds."""

    build: str
    attempt: int
    account: str
    project: str
    plan_digest: str
    origin: GitOrigin | None
    found_on: str | None
    ssh_key: SealedName | None
    steps: tuple[LeasedStep, ...]
    branch: str | None
    protected: bool
    fork: bool
    lifetime: float


@dataclass(frozen=True)
class Lease:
    """Terms the keeper agreed to. id: random, 32 hexadecimal digits. worker: the one that asked, as the
    keeper calls it. key: its one-time public key, 32 bytes (X25519). epoch: the keeper's when it was issued.
    Times: seconds since 1970, by the keeper's clock."""

    id: str
    terms: Terms
    worker: str
    key: bytes
    epoch: int
    issued_at: float
    expires_at: float


class HeldLease(Protocol):
    """A lease with the private half of its key."""

    @property
    def expires_at(self) -> float:
        """Seconds since 1970, by the keeper's clock."""
        ...

    async def open(self, sealed: Sealed, *, step: str = "") -> Secret:
        """The value; the caller forgets it. step: the one about to run, `` for the fetch's key.

        Refused, or KeeperAway. Steps are asked for in their order: what belongs to one before the latest
        is refused, and so is the fetch's key a second time.
        """
        ...

    async def open_all(self, sealed: Sequence[Sealed], *, step: str = "") -> list[Secret]:
        """The values of all of them, in that order; quicker than one at a time. As `open`: if one is
        refused, those asked for with it are."""
        ...


class Leases(Protocol):
    """Where a build's leases are from."""

    def lease(self, terms: Terms) -> AbstractAsyncContextManager[HeldLease]:
        """A lease on these terms. Refused, or KeeperAway. Leaving the block ends it."""
        ...
