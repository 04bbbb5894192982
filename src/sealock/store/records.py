"""A project as it stands in its file, read strictly: what is missing, unknown or out of shape is named.

Records pass through here in both directions, so nothing is kept that could not be read again.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from sealock.core.errors import PermanentError
from sealock.core.project import PROJECT_NAME, Project, SealedKey, ssh_key_name
from sealock.core.sealed import Sealed
from sealock.core.source import GitAddress
from sealock.store.sealed_records import Base64, Number, Suite

LONGEST_RECORD = 256 * 1024
"""Bytes. A record is about two thousand long."""


def _is_name(value: str) -> str:
    if not PROJECT_NAME.fullmatch(value):
        raise ValueError("not a project's name")
    return value


def _is_printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return value


Text = Annotated[str, Field(min_length=1, max_length=8192), AfterValidator(_is_printable)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, from_attributes=True)


class _Address(_Part):
    user: Text
    host: Text
    port: Annotated[int, Field(ge=1, le=65535)]
    path: Text


class _Sealed(_Part):
    """A key sealed to its project's key set; its name is the project's."""

    version: Number
    key_version: Number
    suite: Suite
    data: Annotated[Base64, Field(min_length=1, max_length=8192)]
    created_at: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _OldSealedKey(_Part):
    """A key from before there were key sets."""

    version: Annotated[int, Field(ge=1)]
    algorithm: Text
    kek_id: Text
    wrapped_key_nonce: Text
    wrapped_key: Text
    nonce: Text
    ciphertext: Text


class _Common(_Part):
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    name: Annotated[str, AfterValidator(_is_name)]
    address: _Address
    host_keys: Annotated[tuple[Text, ...], Field(min_length=1)]
    public_key: Text
    created_at: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _OldRecord(_Common):
    format: Literal[1] = 1
    sealed_key: _OldSealedKey

    def key(self) -> SealedKey:
        return SealedKey(**self.sealed_key.model_dump())


class _Record(_Common):
    format: Literal[2] = 2
    sealed_key: _Sealed

    def key(self) -> Sealed:
        kept = self.sealed_key
        name = ssh_key_name(self.id, self.name, kept.version)
        return Sealed(name, kept.key_version, kept.suite, kept.data, kept.created_at)


def encode(project: Project) -> bytes:
    """A project's record as JSON. PermanentError if it could not be read again."""
    sealed = project.sealed_key
    try:
        record = (_OldRecord if isinstance(sealed, SealedKey) else _Record).model_validate(project)
    except ValidationError as error:
        raise _unfit(project, _told(error)) from error
    if isinstance(sealed, Sealed) and record.key() != sealed:
        raise _unfit(project, "Its key is sealed under another name than the project's.")
    return (json.dumps(record.model_dump(mode="json"), indent=2) + "\n").encode()


def _unfit(project: Project, details: str) -> PermanentError:
    return PermanentError(f"the project {project.name[:63]!r} cannot be kept", details=details)


def decode(data: bytes, where: str) -> Project:
    """The project in a record. where: what to call the record in an error, such as its path.

    PermanentError names the fields that are missing, unknown or out of shape.
    """
    try:
        if len(data) > LONGEST_RECORD:
            raise ValueError(f"longer than {LONGEST_RECORD} bytes")
        found = json.loads(data, object_pairs_hook=_once)
        old = isinstance(found, dict) and found.get("format", 1) == 1
        record = (_OldRecord if old else _Record).model_validate_json(data)
    except ValidationError as error:
        raise _broken(where, _told(error)) from error
    except (ValueError, RecursionError) as error:
        raise _broken(where, f"{error or 'nested too deep'}") from error
    return Project(
        id=record.id,
        name=record.name,
        address=GitAddress(**record.address.model_dump()),
        host_keys=record.host_keys,
        public_key=record.public_key,
        sealed_key=record.key(),
        created_at=record.created_at,
    )


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for position, (name, _) in enumerate(pairs) if name in dict(pairs[:position]))
        raise ValueError(f"the field {twice[:100]!r} is there twice")
    return found


def _told(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    return "\n".join(f"{_field(problem['loc'])}: {problem['msg']}" for problem in problems[:10])


def _field(location: tuple[int | str, ...]) -> str:
    name = ".".join(str(part) for part in location)[:100]
    return name if name.isprintable() else repr(name)


def _broken(where: str, details: str) -> PermanentError:
    return PermanentError(
        f"the project's record {where} cannot be read",
        details=details,
        resolution="Restore the file from its backup, or remove it and add the project again.",
    )
