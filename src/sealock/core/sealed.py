"""Sealed values: what only the keeper can open, and what each is bound to.

Whoever has an owner's public key can seal; opening takes the private half, which exists only wrapped by
the keeper's back end. A value is sealed together with its whole name, so one that is moved to another
account, project, kind, name or version does not open.

    back end (file, passphrase, Vault, KMS)     wraps
    └── key set of an account or a project      one pair and one data key a version; seals
        └── Sealed: one version of one named value
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sealock.core.errors import PermanentError, TemporaryError
from sealock.core.secret import Secret

OWNER_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
SEALED_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
LOCAL_ACCOUNT = "local"
"""The account of an installation that has no accounts: its projects are all of one team."""

LONGEST_VALUE = 1024 * 1024
"""Bytes of one value, without its scope; a variable or file of a build needs no more."""


class Kind(StrEnum):
    """What a sealed value is."""

    SSH_KEY = "ssh-key"  # fetches the project's code
    VARIABLE = "variable"  # an environment variable of a step
    FILE = "file"  # a file on the guest's tmpfs
    LOG_KEY = "log-key"  # seals one build's log; its name is the build's id
    ARTIFACT_KEY = "artifact-key"
    TOKEN = "token"  # noqa: S105 - the kind, not a token: what a provider gave us


class DoesNotOpen(PermanentError):
    """Altered, truncated, moved, or sealed to another key. One message for all of them."""

    def __init__(self) -> None:
        super().__init__(
            "the sealed value does not open",
            details="It was altered, or belongs to another owner, kind, name, version or key.",
            resolution="Restore it from its backup, or set it again.",
        )


class RetiredKey(TemporaryError):
    """Sealed to a key that was replaced in the meantime: seal it again to the current one."""

    def __init__(self) -> None:
        super().__init__(
            "the value was sealed to a key that has been replaced meanwhile",
            resolution="Ask for the owner's public key again and repeat it.",
        )


@dataclass(frozen=True)
class Owner:
    """Whose key set it is. account, project: ids, matching `OWNER_ID`; project None: the account's own."""

    account: str
    project: str | None = None

    def __post_init__(self) -> None:
        for identity in (self.account, *([] if self.project is None else [self.project])):
            if not OWNER_ID.fullmatch(identity):
                raise ValueError("not an owner's id")

    def canonical(self) -> bytes:
        """Bytes no other owner has."""
        return canonical("sealock owner v1", self.account, self.project or "")

    def __str__(self) -> str:
        return f"account {self.account}" if self.project is None else f"project {self.project}"


@dataclass(frozen=True)
class SealedName:
    """What a value is bound to. account, project: ids as in `Owner`. name: matches `SEALED_NAME`.
    version: from 1, never used twice. ValueError for anything else."""

    account: str
    project: str | None
    kind: Kind
    name: str
    version: int

    def __post_init__(self) -> None:
        Owner(self.account, self.project)
        if not SEALED_NAME.fullmatch(self.name):
            raise ValueError("not the name of a sealed value")
        if not 1 <= self.version < 2**53:
            raise ValueError("not a version")

    @property
    def owner(self) -> Owner:
        """Whose key set opens it."""
        return Owner(self.account, self.project)

    def canonical(self) -> bytes:
        """Bytes no other name has."""
        return canonical(
            "sealock sealed name v1",
            self.account,
            self.project or "",
            self.kind.value,
            self.name,
            str(self.version),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.name} version {self.version} of {self.owner}"


def canonical(domain: str, *fields: str) -> bytes:
    """Texts as bytes nobody can read two ways: each is preceded by its length. domain: what this is."""
    return b"".join(
        len(part).to_bytes(4, "big") + part for part in (text.encode() for text in (domain, *fields))
    )


@dataclass(frozen=True)
class PublicKey:
    """What values of `owner` are sealed to. version: of the owner's key set. key: 32 bytes (X25519)."""

    owner: Owner
    version: int
    key: bytes


@dataclass(frozen=True)
class Sealed:
    """One sealed value. key_version: of its owner's key set. suite: how it was sealed. data: as
    `keeper.sealing` makes it. created_at: seconds since 1970, when this version was first sealed."""

    name: SealedName
    key_version: int
    suite: str
    data: bytes
    created_at: float

    @property
    def version(self) -> int:
        """Of the value, as in its name."""
        return self.name.version

    @property
    def under(self) -> str:
        """What it takes to open it, in words."""
        return f"version {self.key_version} of its key set"


class PublicKeys(Protocol):
    """Gives out what values are sealed to."""

    def public_key(self, owner: Owner) -> PublicKey:
        """The owner's current public key; its key set is made if there is none yet. PermanentError for an
        owner whose keys were destroyed."""
        ...


class Seal(Protocol):
    """Seals without being able to open."""

    def __call__(self, name: SealedName, value: Secret, to: PublicKey) -> Sealed:
        """`value`, bound to `name`. ValueError if `to` is another owner's key."""
        ...


class Unsealer(Protocol):
    """Opens sealed values; only the keeper has one."""

    def open(self, sealed: Sealed) -> Secret:
        """The value; the caller forgets it. DoesNotOpen, or PermanentError or TemporaryError if the key
        it was sealed to cannot be had."""
        ...


class KeyDestroyer(Protocol):
    """Ends key sets."""

    def destroy(self, owner: Owner) -> None:
        """Destroy the owner's keys for good: nothing that was ever sealed to them opens again, wherever a
        copy of it lies. An account's go with those of all its projects. May be called again."""
        ...


@dataclass(frozen=True)
class SealedVersion:
    """What is told of one version without opening it. destroyed: nothing is left but this line.
    pinned: kept for a restart; cannot be destroyed until it is let go. Times: seconds since 1970."""

    name: SealedName
    created_at: float
    pinned: bool = False
    destroyed_at: float | None = None


class SealedPlace(Protocol):
    """Somewhere sealed values lie. Rotation visits every one of them."""

    def sealed_of(self, owner: Owner) -> Iterator[Sealed]:
        """Every sealed value of this owner that lies here."""
        ...

    def reseal(self, old: Sealed, new: Sealed) -> bool:
        """Put `new` in the place of exactly `old` (same name); False if that is not there any more."""
        ...

    def retire(self, owner: Owner, below: int) -> bool:
        """From now on refuse (RetiredKey) what is sealed to a key set version below `below`. False, and
        nothing changed, while something that is lies here."""
        ...

    def forget_owner(self, owner: Owner) -> None:
        """Remove everything of this owner, for good."""
        ...


class SealedReader(Protocol):
    """Where a build finds what it may be given."""

    def get(self, owner: Owner, kind: Kind, name: str, version: int | None = None) -> Sealed | None:
        """As `SealedValues.get`."""
        ...


class SealedValues(SealedPlace, Protocol):
    """Where versioned values are kept. It cannot open any."""

    def next_version(self, owner: Owner, kind: Kind, name: str) -> int:
        """The version a new value of that name will have: never one that was used before."""
        ...

    def put(self, sealed: Sealed) -> None:
        """Keep a new version. UsageError if it is not the next one; RetiredKey."""
        ...

    def get(self, owner: Owner, kind: Kind, name: str, version: int | None = None) -> Sealed | None:
        """That version, or the newest that is not destroyed. None if there is none."""
        ...

    def versions(self, owner: Owner, kind: Kind | None = None) -> list[SealedVersion]:
        """All that ever was, by kind, name and version."""
        ...

    def pin(self, name: SealedName, pinned: bool) -> None:
        """Keep a version for a restart, or let it go. UsageError if there is none."""
        ...

    def destroy(self, name: SealedName) -> None:
        """Remove a version's ciphertext; that it was there is remembered. UsageError if there is none, or
        it is pinned."""
        ...
