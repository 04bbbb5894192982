"""What an operator asks the keeper to do with keys, and what it answers: part of `keeper.protocol`.

Everything here is a slice of work that ends well before a request's deadline and may be asked for again:
whoever does the whole keeps no state at the keeper, and can be killed at any point, as can the keeper. No
reply holds an opened key. What goes in may: a backup's key, a new passphrase; they are not shown when a
request is.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from sealock.core.errors import PermanentError, SealockError, TemporaryError, UsageError
from sealock.core.keyring import Level
from sealock.core.project import SealedKey
from sealock.core.sealed import Owner, PublicKey, Sealed
from sealock.core.source import GitOrigin
from sealock.keeper.statements import CONFIG

MOST_OWNERS = 1000
"""Owners listed in one reply."""

MOST_RESEALED = 64
"""Values sealed anew in one request."""

LONGEST_PART = 1024 * 1024
"""Bytes of one part of a backup."""

LONGEST_PASSPHRASE = 4096
LONGEST_TOLD = 8000

Generation = Annotated[int, Field(ge=1, lt=2**53)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
_Text = Annotated[str, Field(max_length=4096)]
_Told = Annotated[str, Field(max_length=LONGEST_TOLD)]


class _Part(BaseModel):
    model_config = CONFIG


class AskKeys(_Part):
    """Which keys there are, and whether they work."""

    op: Literal["keys"] = "keys"


class AskOwners(_Part):
    """Who has a key set, in order, after that one."""

    op: Literal["owners"] = "owners"
    after: Owner | None = None


class DestroyKeys(_Part):
    """Destroy an owner's keys, for good."""

    op: Literal["destroy-keys"] = "destroy-keys"
    owner: Owner


class OldKey(_Part):
    """A project's key from before there were key sets, and what it is bound to. origin: the project's
    repository, which it is for from now on."""

    id: Annotated[str, Field(max_length=64)]
    name: Annotated[str, Field(max_length=64)]
    public_key: _Text
    origin: GitOrigin
    sealed: SealedKey


class Adopt(_Part):
    """Seal a project's key to its key set: the same key, the same version."""

    op: Literal["adopt"] = "adopt"
    key: OldKey


class BeginRotation(_Part):
    """Begin a rotation, unless one is under way."""

    op: Literal["begin-rotation"] = "begin-rotation"
    level: Level


class Rewrap(_Part):
    """Root: wrap the key sets after that owner's with the new key, as many as there is time for."""

    op: Literal["rewrap"] = "rewrap"
    generation: Generation
    after: Owner | None = None


class Renew(_Part):
    """Sets: give an owner a new version of its key set, unless it has it."""

    op: Literal["renew"] = "renew"
    generation: Generation
    owner: Owner


class Reseal(_Part):
    """Sets: seal values to the newest version of their owner's key set."""

    op: Literal["reseal"] = "reseal"
    generation: Generation
    sealed: Annotated[tuple[Sealed, ...], Field(min_length=1, max_length=MOST_RESEALED)]


class DropOld(_Part):
    """Sets: destroy the versions below `version`. Nothing is sealed to them any more, anywhere, and nothing
    will be: whoever asks has seen to that."""

    op: Literal["drop-old"] = "drop-old"
    generation: Generation
    owner: Owner
    version: Generation


class EndRotation(_Part):
    """End a rotation. Root: destroy the old key, once everything is wrapped by the new one."""

    op: Literal["end-rotation"] = "end-rotation"
    generation: Generation


class BackupCost(_Part):
    """Argon2id's salt and cost, by which `key` came out of a passphrase the keeper never sees."""

    salt: Annotated[bytes, Field(min_length=16, max_length=64)]
    iterations: Count
    memory: Count
    lanes: Count


class BackUp(_Part):
    """A part of a backup: the keys of the owners after that one, encrypted under `key`."""

    op: Literal["back-up"] = "back-up"
    cost: BackupCost
    key: Annotated[bytes, Field(min_length=32, max_length=32, repr=False)]
    number: Count
    after: Owner | None = None


class Restore(_Part):
    """Bring back what a part of a backup has and we have not. format: of the backup. last: whether it is the
    last part. trial: only see whether it opens and contradicts nothing."""

    op: Literal["restore"] = "restore"
    format: Literal[1, 2]
    cost: BackupCost
    key: Annotated[bytes, Field(min_length=32, max_length=32, repr=False)]
    number: Count
    last: bool
    data: Annotated[bytes, Field(max_length=LONGEST_PART)]
    trial: bool


class ChangePassphrase(_Part):
    """Put the key-encryption keys under another passphrase."""

    op: Literal["change-passphrase"] = "change-passphrase"
    new: Annotated[bytes, Field(max_length=LONGEST_PASSPHRASE, repr=False)]


KeyRequest = (
    AskKeys
    | AskOwners
    | DestroyKeys
    | Adopt
    | BeginRotation
    | Rewrap
    | Renew
    | Reseal
    | DropOld
    | EndRotation
    | BackUp
    | Restore
    | ChangePassphrase
)


class Keys(_Part):
    """`core.keyring.KeyringStatus`, but for what only the store knows. why: `` if the keys work, else
    what is wrong. advice: what to do then."""

    reply: Literal["keys"] = "keys"
    backend: str
    key: str
    why: _Told
    advice: _Told
    notes: tuple[_Told, ...]
    owners: Count
    destroyed: Count
    unfinished: Level | None
    root_rotated_at: float | None
    sets_rotated_at: float | None


class Owners(_Part):
    """In order. more: whether there are others after them."""

    reply: Literal["owners"] = "owners"
    owners: Annotated[tuple[Owner, ...], Field(max_length=MOST_OWNERS)]
    more: bool


class Resealed(_Part):
    """In the order they were sent, each its own name."""

    reply: Literal["resealed"] = "resealed"
    sealed: tuple[Sealed, ...]


class RotationUnderWay(_Part):
    """level: which may be another than was asked for, cut short before; resumed: whether it was."""

    reply: Literal["rotation"] = "rotation"
    level: Level
    generation: Generation
    resumed: bool
    owners: Count


class Rewrapped(_Part):
    """after: the last one that was wrapped; None if there is none after it. done: how many in this slice."""

    reply: Literal["rewrapped"] = "rewrapped"
    after: Owner | None
    done: Count


class Renewed(_Part):
    """key: what the owner's values are sealed to now; None if its keys were destroyed."""

    reply: Literal["renewed"] = "renewed"
    key: PublicKey | None


class RotationDone(_Part):
    """owners: who have new keys. kept: whose old ones are kept, since nobody said that nothing needs them.
    old_key: what became of the back end's."""

    reply: Literal["rotation-done"] = "rotation-done"
    owners: Count
    kept: Count
    old_key: str


class BackedUp(_Part):
    """data: encrypted. after: the last owner in it; None if there is none after it."""

    reply: Literal["backed-up"] = "backed-up"
    data: bytes
    after: Owner | None


class Restored(_Part):
    """owners: whose keys were brought back, or would be."""

    reply: Literal["restored"] = "restored"
    owners: Count


class Cannot(_Part):
    """What went wrong, for an operator: they may be told. No value is in it."""

    reply: Literal["cannot"] = "cannot"
    kind: Literal["usage", "temporary", "permanent"]
    brief: _Told
    details: _Told
    resolution: _Told


KeyReply = (
    Keys
    | Owners
    | Resealed
    | RotationUnderWay
    | Rewrapped
    | Renewed
    | RotationDone
    | BackedUp
    | Restored
    | Cannot
)


def cannot(error: SealockError) -> Cannot:
    """An error as a reply."""
    kind: Literal["usage", "temporary", "permanent"] = "permanent"
    if isinstance(error, UsageError):
        kind = "usage"
    elif isinstance(error, TemporaryError):
        kind = "temporary"
    told = (error.brief, error.details, error.resolution)
    brief, details, resolution = (text[:LONGEST_TOLD] for text in told)
    return Cannot(kind=kind, brief=brief, details=details, resolution=resolution)


def told_error(reply: Cannot) -> SealockError:
    """The error that a reply tells of."""
    kinds = {"usage": UsageError, "temporary": TemporaryError, "permanent": PermanentError}
    return kinds[reply.kind](reply.brief, details=reply.details, resolution=reply.resolution)
