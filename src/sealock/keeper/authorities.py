"""Whose word the keeper takes about people. The file lies with the keeper, not in the database.

`sessions` are keys of whoever signs people in. `accounts` are, for each account, the keys its grants are
signed with: the account's own, so that nobody at the operator's can make a grant. `core_team` are the only
people who can use a grant, whatever their role. What is not there has no say.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from sealock.core.errors import ConfigError, PermanentError
from sealock.keeper.statements import CONFIG

LONGEST_FILE = 4 * 1024 * 1024

_Key = Annotated[bytes, Field(min_length=32, max_length=32)]


@dataclass(frozen=True)
class Authorities:
    """Keys are Ed25519 public keys, 32 bytes each."""

    sessions: tuple[bytes, ...] = ()
    accounts: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    core_team: frozenset[str] = frozenset()


class _File(BaseModel):
    model_config = CONFIG
    sessions: tuple[_Key, ...] = ()
    accounts: dict[str, tuple[_Key, ...]] = Field(default_factory=dict)
    core_team: tuple[str, ...] = ()


def read_authorities(path: Path) -> Authorities:
    """What the JSON file says (keys as Base64); nobody if there is none. ConfigError if it is not as it
    should be, PermanentError if somebody else could have changed it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return Authorities()
    with os.fdopen(descriptor, "rb") as file:
        _refuse_if_shared(path, os.fstat(descriptor))
        content = file.read(LONGEST_FILE)
    try:
        found = _File.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(str(path), 1, 1, f"{place or 'the file'}: {first['msg']}") from error
    return Authorities(found.sessions, found.accounts, frozenset(found.core_team))


def _refuse_if_shared(path: Path, found: os.stat_result) -> None:
    ours = stat.S_ISREG(found.st_mode) and found.st_uid in (os.geteuid(), 0) and not found.st_mode & 0o022
    if not ours:
        raise PermanentError(
            f"{path} can be changed by somebody else",
            details=f"owner {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o}",
            resolution="Whoever can change it decides who reads customers' content: make it the keeper's "
            "alone, mode 0600.",
        )
