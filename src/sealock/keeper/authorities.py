"""Whose word the keeper takes. The file lies with the keeper, not in the database.

`sessions` are keys of whoever signs people in. `accounts` are, for each account, the keys its grants are
signed with: the account's own, so that nobody at the operator's can make a grant. `core_team` are the only
people who can use a grant, whatever their role. `peers` are programs that may ask at all, by the user they
run as or by their certificate. What is not there has no say.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError, model_validator

from sealock.core.errors import ConfigError, PermanentError
from sealock.keeper.peers import Peer, PeerRole, Peers
from sealock.keeper.statements import CONFIG

LONGEST_FILE = 4 * 1024 * 1024
PEER_NAME = r"^[a-z0-9][a-z0-9.-]{0,62}$"

_Key = Annotated[bytes, Field(min_length=32, max_length=32)]


@dataclass(frozen=True)
class Authorities:
    """Keys are Ed25519 public keys, 32 bytes each. peers: those of this file alone."""

    sessions: tuple[bytes, ...] = ()
    accounts: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    core_team: frozenset[str] = frozenset()
    peers: Peers = field(default_factory=Peers)


class _Peer(BaseModel):
    model_config = CONFIG
    name: Annotated[str, Field(pattern=PEER_NAME)]
    roles: Annotated[tuple[PeerRole, ...], Field(min_length=1)]
    user: Annotated[int, Field(ge=0)] | None = None
    certificate: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def _one_way_to_tell(self) -> _Peer:
        if (self.user is None) == (self.certificate is None):
            raise ValueError("a peer is known by its user or by its certificate, one of them")
        return self


class _File(BaseModel):
    model_config = CONFIG
    sessions: tuple[_Key, ...] = ()
    accounts: dict[str, tuple[_Key, ...]] = Field(default_factory=dict)
    core_team: tuple[str, ...] = ()
    peers: tuple[_Peer, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> _File:
        for known in ("name", "user", "certificate"):
            values = [value for peer in self.peers if (value := getattr(peer, known)) is not None]
            if len(set(values)) != len(values):
                raise ValueError(f"two peers have the same {known}")
        return self


def read_authorities(path: Path) -> Authorities:
    """What the JSON file says (keys as Base64); nobody if there is none. ConfigError if it is not as it
    should be, PermanentError if somebody else could have changed it."""
    content = _content(path)
    if content is None:
        return Authorities()
    try:
        found = _File.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(str(path), 1, 1, f"{place or 'the file'}: {first['msg']}") from error
    return Authorities(found.sessions, found.accounts, frozenset(found.core_team), _peers(found.peers))


def _content(path: Path) -> bytes | None:
    try:
        # Non-blocking, so that a pipe put in its place cannot hold us up.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unsafe(path, error.strerror or "it cannot be read") from error
    try:
        found = os.fstat(descriptor)
        mode = stat.S_IMODE(found.st_mode)
        if not stat.S_ISREG(found.st_mode) or found.st_uid not in (os.geteuid(), 0) or mode & 0o022:
            raise _unsafe(path, f"owner {found.st_uid}, mode {mode:04o}")
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return file.read(LONGEST_FILE)
    finally:
        os.close(descriptor)


def _peers(found: tuple[_Peer, ...]) -> Peers:
    made = {peer: Peer(peer.name, frozenset(peer.roles)) for peer in found}
    return Peers(
        {peer.user: one for peer, one in made.items() if peer.user is not None},
        {peer.certificate: one for peer, one in made.items() if peer.certificate is not None},
    )


def _unsafe(path: Path, details: str) -> PermanentError:
    return PermanentError(
        f"{path} is not safe to use: somebody else could have changed it",
        details=details,
        resolution="Whoever can change it decides who reads customers' content: make it a file of the "
        "keeper's alone, mode 0600.",
    )
