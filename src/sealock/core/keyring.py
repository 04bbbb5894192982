"""What an operator does with an installation's keys: look, rotate, back up, restore."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from sealock.core.decision import Decision
from sealock.core.secret import Secret

Level = Literal["root", "sets"]
"""`root`: the back end's key-encryption key. `sets`: every owner's key set, and all that is sealed to it."""


@dataclass(frozen=True)
class Rotated:
    """What was done. level: of the rotation that was finished, which may be one that a crash had cut
    short; resumed: whether it was. owners: whose key sets have new keys. values: how many were sealed anew.
    kept: owners of whom nothing lies here, so that their old keys were left. old_key: what became of the
    back end's old key, empty for `sets`."""

    level: Level
    resumed: bool
    owners: int
    values: int
    kept: int = 0
    old_key: str = ""


@dataclass(frozen=True)
class Progress:
    """How far a rotation is: `done` of `of` owners' key sets."""

    level: Level
    done: int
    of: int


@dataclass(frozen=True)
class KeyringStatus:
    """backend: `file`, `passphrase`, `vault` or `kms`. key: the id of its key in use, empty if it cannot be
    told. works: whether it wrapped and unwrapped something just now, and has every key that key sets were
    wrapped by. advice: what to do if not. notes: what an operator should know.
    owners, destroyed: how many have key sets, and had. old_projects: whose keys are sealed the old way.
    unfinished: the rotation that was cut short. Times: seconds since 1970, None for never."""

    backend: str
    key: str
    works: Decision
    advice: str
    notes: tuple[str, ...]
    owners: int
    destroyed: int
    old_projects: tuple[str, ...]
    unfinished: Level | None
    root_rotated_at: float | None
    sets_rotated_at: float | None


class Keyring(Protocol):
    """The keys of an installation."""

    def status(self) -> KeyringStatus:
        """How they are. A back end that does not work is told, not raised."""
        ...

    def rotate(self, level: Level, told: Callable[[Progress], None]) -> Rotated:
        """Rotate one level, or finish the rotation that was cut short, whichever that is. May be killed at
        any point and run again. told: takes how far it is, now and then. PermanentError names what could not
        be rotated; its old keys are kept."""
        ...

    def export(self, passphrase: Secret) -> bytes:
        """A backup of every key set, encrypted under `passphrase`. UsageError if that is too short."""
        ...

    def restore(self, backup: bytes, passphrase: Secret) -> int:
        """Bring back from a backup what is not there; the number of owners. What was destroyed stays so.
        UsageError if the backup does not open; PermanentError, and nothing done, if it contradicts."""
        ...

    def change_passphrase(self, new: Secret) -> None:
        """Another passphrase for the same keys. UsageError if the back end is another, or it is too
        short."""
        ...
