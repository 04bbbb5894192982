"""A project's key: made and sealed at once, opened for one build, into an agent, for the fetch only."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sealock.core.project import Project
from sealock.core.scope import Scope
from sealock.core.sealed import Kind, Owner, Sealed, SealedName
from sealock.core.secret import Secret
from sealock.core.source import GitOrigin


@dataclass
class OpenKey:
    """An agent outside the guest that holds one key. Times are seconds since 1970.

    socket: the agent's Unix socket on this host. removed_at is set when the block is left: the key was
    removed and the agent's process has ended by then.
    """

    socket: Path
    opened_at: float
    removed_at: float | None = None


class Sealer(Protocol):
    """Makes keys that are sealed from their first moment. It cannot open any."""

    def new_key(self, project_id: str, version: int, name: str, origin: GitOrigin) -> tuple[str, Sealed]:
        """A new Ed25519 pair, bound to the project's id, name and this version, for that repository alone:
        the public half as one OpenSSH line, the private half sealed to the project's key set."""
        ...


class SecretSealer(Protocol):
    """Takes secrets. It cannot open any."""

    def keep(self, owner: Owner, kind: Kind, name: str, value: Secret, scope: Scope) -> SealedName:
        """Seal the next version of a variable or file together with where it may be used, and keep it.
        The caller forgets `value`. UsageError if somebody else set it meanwhile."""
        ...


class KeyRelease(Protocol):
    """Hands out keys for fetches, each for a reason that somebody else checked and wrote down."""

    async def open_key(self, project: Project) -> Secret:
        """The private key as OpenSSH text, once. The caller forgets it as soon as it is handed on.

        As `core.lease.HeldLease.open`; PermanentError if it is not the project's own key.
        """
        ...


class Agents(Protocol):
    """Starts agents outside the guest."""

    def agent(
        self, private_key: Secret, *, host: str, host_keys: tuple[str, ...], lifetime: float
    ) -> AbstractAsyncContextManager[OpenKey]:
        """An agent of its own for this key, which it will use only towards `host` as proved by
        `host_keys`, for at most `lifetime` seconds. Leaving the block removes the key and ends the
        agent. `private_key` is forgotten once the agent has it."""
        ...
