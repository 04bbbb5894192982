"""What the keeper keeps in files, read strictly: what is missing, unknown, twice or out of shape is named."""

from __future__ import annotations

import json
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from sealock.core import base64_text
from sealock.core.errors import PermanentError
from sealock.core.sealed import OWNER_ID


def _decode(value: object) -> object:
    return base64_text.decode(value) if isinstance(value, str) else value


Base64 = Annotated[bytes, BeforeValidator(_decode), PlainSerializer(base64_text.encode, return_type=str)]
Key32 = Annotated[Base64, Field(min_length=32, max_length=32)]
KeyId = Annotated[str, Field(pattern=r"^[ -~]{1,300}$")]
OwnerId = Annotated[str, Field(pattern=f"^{OWNER_ID.pattern}$")]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Version = Annotated[int, Field(ge=1, lt=2**53)]
Time = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Record(BaseModel):
    """Frozen, and nothing in it that was not asked for."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class PassphraseKey(Record):
    """A key-encryption key under a passphrase."""

    id: KeyId
    data: Annotated[Base64, Field(max_length=200)]


class PassphraseFile(Record):
    """The keys of the passphrase back end, the one in use last. memory: KiB. The limits keep a file that
    somebody altered from asking for all the memory there is."""

    format: Literal[1] = 1
    salt: Annotated[Base64, Field(min_length=16, max_length=64)]
    iterations: Annotated[int, Field(ge=1, le=100)]
    memory: Annotated[int, Field(ge=8 * 8, le=4 * 1024 * 1024)]
    lanes: Annotated[int, Field(ge=1, le=8)]
    keys: Annotated[tuple[PassphraseKey, ...], Field(min_length=1, max_length=16)]


class OwnerRecord(Record):
    """An owner, as in `core.sealed.Owner`."""

    account: OwnerId
    project: OwnerId | None


class KeyVersionRecord(Record):
    """One version of a key set; `keeper.keysets` says what each field is."""

    version: Version
    public: Key32
    wrapped_by: KeyId
    wrapped: Annotated[Base64, Field(min_length=1, max_length=4096)]
    generation: Count
    wrap_generation: Count
    created_at: Time


class KeySetRecord(Record):
    """A key set, the version in use last."""

    format: Literal[1] = 1
    owner: OwnerRecord
    versions: Annotated[tuple[KeyVersionRecord, ...], Field(min_length=1, max_length=1000)]


class JournalRecord(Record):
    """Where rotation stands. level: the one under way, if any. before: the back end's key when it began."""

    format: Literal[1] = 1
    generation: Count = 0
    level: Literal["root", "sets"] | None = None
    before: KeyId | None = None
    root_rotated_at: Time | None = None
    sets_rotated_at: Time | None = None


class BackupVersion(Record):
    """One version of a key set in a backup, its secret in the open: the backup as a whole is encrypted."""

    version: Version
    public: Key32
    seed: Key32
    created_at: Time


class BackupSet(Record):
    """A key set in a backup."""

    owner: OwnerRecord
    versions: Annotated[tuple[BackupVersion, ...], Field(min_length=1)]


class BackupContent(Record):
    """What a part of a backup holds. destroyed: owners whose keys were destroyed, and stay so."""

    format: Literal[1] = 1
    created_at: Time
    sets: tuple[BackupSet, ...]
    destroyed: tuple[OwnerRecord, ...]


class _BackupCost(Record):
    salt: Annotated[Base64, Field(min_length=16, max_length=64)]
    iterations: Annotated[int, Field(ge=1, le=100)]
    memory: Annotated[int, Field(ge=8 * 8, le=4 * 1024 * 1024)]
    lanes: Annotated[int, Field(ge=1, le=8)]


class BackupFile(_BackupCost):
    """A backup: Argon2id's salt and cost in the open, each part under what the passphrase comes to."""

    format: Literal["sealock keys backup 2"] = "sealock keys backup 2"
    parts: Annotated[tuple[Base64, ...], Field(min_length=1)]


class OldBackupFile(_BackupCost):
    """A backup of the time when there was one part alone."""

    format: Literal["sealock keys backup 1"] = "sealock keys backup 1"
    data: Base64


R = TypeVar("R", bound=Record)


def write(record: Record) -> bytes:
    """A record as JSON with a line's end."""
    return (json.dumps(record.model_dump(mode="json"), indent=1) + "\n").encode()


def parse(kind: type[R], data: bytes, where: str) -> R:
    """The record in `data`. where: what to call it in an error, such as its path. PermanentError names
    the fields that are wrong, never what is in them."""
    try:
        json.loads(data, object_pairs_hook=_once)
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise _broken(where, _told(error)) from None  # the cause would show the values
    except (ValueError, RecursionError) as error:
        raise _broken(where, "it is no JSON, or has a field twice") from error


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field is there twice")
    return found


def _told(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    return "\n".join(f"{'.'.join(map(str, item['loc']))[:100]!r}: {item['msg']}" for item in problems[:10])


def _broken(where: str, details: str) -> PermanentError:
    return PermanentError(
        f"{where} cannot be read", details=details, resolution="Restore it from its backup."
    )
