"""A project: a repository we build, with an SSH key of its own from its first moment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from sealock.core.sealed import LOCAL_ACCOUNT, Kind, Owner, Sealed, SealedName
from sealock.core.source import GitAddress, GitOrigin

PROJECT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@dataclass(frozen=True)
class SealedKey:
    """A private key as it was sealed before there were key sets. It opens still; none is made any more,
    and `sealock keys rotate` seals it to its project's key set.

    version counts up with each reset. ciphertext, wrapped_key and their nonces are Base64 text;
    `keeper.old_keys` says how they were made.
    """

    version: int
    algorithm: str
    kek_id: str
    wrapped_key_nonce: str
    wrapped_key: str
    nonce: str
    ciphertext: str

    @property
    def under(self) -> str:
        """What it takes to open it, in words."""
        return f"the key-encryption key {self.kek_id}"


def owner_of(project_id: str) -> Owner:
    """Whose key set a project's secrets are sealed to."""
    return Owner(LOCAL_ACCOUNT, project_id)


def ssh_key_name(project_id: str, name: str, version: int) -> SealedName:
    """What a project's private key is bound to."""
    owner = owner_of(project_id)
    return SealedName(owner.account, owner.project, Kind.SSH_KEY, name, version)


@dataclass(frozen=True)
class Project:
    """id: random, 128 bits, hexadecimal. name: matches `PROJECT_NAME`, unique. sealed_key: the private
    half, sealed to the project's key set as `ssh_key_name` says; its version counts up with each reset.

    public_key: one OpenSSH line, to be installed as a deploy key. host_keys: the Git server's keys, as
    `algorithm base64` lines, pinned when the project was made. created_at: seconds since 1970.
    """

    id: str
    name: str
    address: GitAddress
    host_keys: tuple[str, ...]
    public_key: str
    sealed_key: Sealed | SealedKey
    created_at: float

    @property
    def origin(self) -> GitOrigin:
        """The repository it builds, as its secrets are bound to it."""
        return GitOrigin(self.address, self.host_keys)


class ProjectReader(Protocol):
    """Where a build finds what it is a build of."""

    def get(self, name: str) -> Project:
        """As `Projects.get`; TemporaryError where it cannot be read just now."""
        ...

    def for_address(self, address: GitAddress) -> Project | None:
        """As `Projects.for_address`."""
        ...


class Projects(Protocol):
    """Where projects are kept."""

    def add(self, project: Project) -> None:
        """Keep a new project. UsageError if its name or address is taken."""
        ...

    def replace(self, project: Project) -> None:
        """Keep a changed project (same id). UsageError if it is not there; RetiredKey if its key is sealed
        to a key that was rotated away meanwhile."""
        ...

    def get(self, name: str) -> Project:
        """The project of that name. UsageError, naming near matches, if there is none."""
        ...

    def for_address(self, address: GitAddress) -> Project | None:
        """The project that builds this repository, if there is one."""
        ...

    def all(self) -> list[Project]:
        """Every project, by name."""
        ...

    def remove(self, name: str) -> None:
        """Forget the project and its sealed key."""
        ...
