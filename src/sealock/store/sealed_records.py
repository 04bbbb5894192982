"""A sealed value as it stands in its file, read strictly: what is missing or out of shape is named."""

from __future__ import annotations

import json
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from sealock.core import base64_text
from sealock.core.errors import PermanentError
from sealock.core.sealed import LONGEST_VALUE, OWNER_ID, SEALED_NAME, Kind, Sealed, SealedName, SealedVersion

LONGEST_RECORD = 2 * LONGEST_VALUE
"""Bytes; Base64 makes four out of three."""


def _decode(value: object) -> object:
    return base64_text.decode(value) if isinstance(value, str) else value


Base64 = Annotated[bytes, BeforeValidator(_decode), PlainSerializer(base64_text.encode)]
Id = Annotated[str, Field(pattern=f"^{OWNER_ID.pattern}$")]
Number = Annotated[int, Field(ge=1, lt=2**53)]
Suite = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,100}$")]
Time = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class SealedRecord(BaseModel):
    """One version of a sealed value. data: None once it is destroyed."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    format: Literal[1] = 1
    account: Id
    project: Id | None
    kind: Kind
    name: Annotated[str, Field(pattern=f"^{SEALED_NAME.pattern}$")]
    version: Number
    key_version: Number
    suite: Suite
    created_at: Time
    data: Base64 | None
    pinned: bool = False
    destroyed_at: Time | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.data is None) != (self.destroyed_at is not None):
            raise ValueError("a destroyed version has no data, every other has")
        return self

    @classmethod
    def of(cls, sealed: Sealed) -> SealedRecord:
        """The record of a value."""
        name = sealed.name
        return cls(
            account=name.account,
            project=name.project,
            kind=name.kind,
            name=name.name,
            version=name.version,
            key_version=sealed.key_version,
            suite=sealed.suite,
            created_at=sealed.created_at,
            data=sealed.data,
        )

    def sealed(self) -> Sealed:
        """The value. ValueError if it is destroyed."""
        if self.data is None:
            raise ValueError("this version is destroyed")
        return Sealed(self.told().name, self.key_version, self.suite, self.data, self.created_at)

    def told(self) -> SealedVersion:
        """What is told of it without opening it."""
        name = SealedName(self.account, self.project, self.kind, self.name, self.version)
        return SealedVersion(name, self.created_at, self.pinned, self.destroyed_at)


def encode(record: SealedRecord) -> bytes:
    """A record as JSON."""
    return (json.dumps(record.model_dump(mode="json"), indent=1) + "\n").encode()


def decode(data: bytes, where: str) -> SealedRecord:
    """The record. where: what to call it in an error. PermanentError names the fields that are wrong."""
    try:
        if len(data) > LONGEST_RECORD:
            raise ValueError(f"longer than {LONGEST_RECORD} bytes")
        json.loads(data, object_pairs_hook=_once)
        return SealedRecord.model_validate_json(data)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        told = "\n".join(f"{item['loc']!r:.100}: {item['msg']}" for item in problems[:10])
        raise _broken(where, told) from error
    except (ValueError, RecursionError) as error:
        raise _broken(where, str(error)) from error


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field is there twice")
    return found


def _broken(where: str, details: str) -> PermanentError:
    return PermanentError(
        f"the sealed value {where} cannot be read",
        details=details,
        resolution="Restore the file from its backup, or set the value again.",
    )
