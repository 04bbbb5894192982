"""A release: something sealed that the keeper opened, for a reason, for one asker's key.

`Ledger` is where each is written down before it leaves. What is written are facts: a lease was issued or
ended, a worker was admitted or removed, a grant was revoked, a thing was released, keys were destroyed,
rotated, backed up or restored. Facts hold names, versions and reasons and never a value, so that an account
may be shown all that concern it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Basis(StrEnum):
    """Why something may be opened."""

    LEASE = "lease"  # a worker, for the build it has leased
    MEMBER = "member"  # a person of the account, signed in
    GRANT = "grant"  # a person of the crew, within what the account granted


@dataclass(frozen=True)
class LeaseIssued:
    """A worker may ask for what this build's steps name. by: who scheduled it; key: the fingerprint of
    the worker's one-time key. expires_at: seconds since 1970, by the keeper's clock."""

    lease: str
    build: str
    attempt: int
    account: str
    project: str
    plan_digest: str
    worker: str
    key: str
    epoch: int
    expires_at: float
    by: str


@dataclass(frozen=True)
class LeaseEnded:
    """Nothing more is released for this attempt. by: who said so."""

    build: str
    attempt: int
    by: str


@dataclass(frozen=True)
class WorkerAdmitted:
    """From now on leases are made for what this key signs, made out to that name. key: the public half, in
    hexadecimal. by: who said so."""

    worker: str
    key: str
    by: str


@dataclass(frozen=True)
class WorkerRemoved:
    """No lease is made for that worker any more, and those it has are void. key, by: as above."""

    worker: str
    key: str
    by: str


@dataclass(frozen=True)
class GrantRevoked:
    """Nothing more is released under this grant. by: who said so."""

    grant: str
    by: str


@dataclass(frozen=True)
class Released:
    """A sealed thing was opened and sealed again to a key of the asker's.

    to: the worker or person. via: the peer that carried it. key: that key's fingerprint. reason: the id
    of the lease, the session or the grant, by basis. build, attempt: of the lease, else `` and 0. step:
    the one that was about to run, `` if it is no step's.
    """

    account: str
    project: str
    kind: str
    name: str
    version: int
    basis: Basis
    reason: str
    build: str
    attempt: int
    step: str
    to: str
    via: str
    key: str


@dataclass(frozen=True)
class KeysDestroyed:
    """An owner's keys are destroyed: nothing sealed to them opens again. project `` for an account's own,
    with which those of all its projects go. by: who said so."""

    account: str
    project: str
    by: str


@dataclass(frozen=True)
class RotationBegun:
    """Keys get new ones. level: as `core.keyring.Level`. generation: counts up with each rotation."""

    level: str
    generation: int
    by: str


@dataclass(frozen=True)
class RotationEnded:
    """That rotation is over. owners: who have new keys, their old ones destroyed. kept: whose old ones were
    left, since nobody said that nothing needs them. For `root` the back end's old key is destroyed."""

    level: str
    generation: int
    owners: int
    kept: int
    by: str


@dataclass(frozen=True)
class KeysBackedUp:
    """A part of a backup left: the keys of so many owners, under a key that `by` gave. part: from 0."""

    part: int
    owners: int
    by: str


@dataclass(frozen=True)
class KeysRestored:
    """The keys of so many owners were brought back from a backup."""

    part: int
    owners: int
    by: str


@dataclass(frozen=True)
class PassphraseChanged:
    """The key-encryption keys are under another passphrase."""

    by: str


KeyFact = KeysDestroyed | RotationBegun | RotationEnded | KeysBackedUp | KeysRestored | PassphraseChanged
"""What happened to keys themselves."""

WorkerFact = WorkerAdmitted | WorkerRemoved
"""What changed in the list of workers that the keeper knows."""

Fact = LeaseIssued | LeaseEnded | GrantRevoked | Released | KeyFact | WorkerFact


@dataclass(frozen=True)
class Entry:
    """A fact in its place in the ledger. sequence: from 1. at: seconds since 1970, by the keeper's clock,
    never earlier than the entry before. previous: the digest of the entry before, so that no entry can
    be changed, left out or moved without every later digest being another. Digests: 64 hexadecimal
    digits."""

    sequence: int
    at: float
    fact: Fact
    previous: str
    digest: str


class Ledger(Protocol):
    """Where facts are written before anything follows from them."""

    @property
    def last(self) -> Entry | None:
        """The latest entry, None while there is none."""
        ...

    def append(self, facts: Sequence[Fact], at: float) -> list[Entry]:
        """Write facts so that they survive a power cut, then return. PermanentError if that cannot be
        promised; then nothing may follow from any of them."""
        ...

    def entries(self) -> Iterator[Entry]:
        """Every entry in order, checked while it is read. PermanentError at the first that is not as it
        was written."""
        ...


class Exposures(Protocol):
    """What a team needs after an accident: which secrets builds were given, so which to replace."""

    async def exposures(self, *builds: str) -> list[Entry]:
        """The entries of every release for those builds, one or more, in order. PermanentError if they
        cannot be read or were altered; what `core.lease` says of a keeper that is asked."""
        ...
