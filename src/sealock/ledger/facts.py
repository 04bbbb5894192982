"""A line of the release ledger: one entry, in the only spelling it may have.

The digest of an entry is over everything else in its line, the digest of the entry before included. A line
that is not byte for byte what would be written again is refused, as are unknown or missing fields.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from sealock.core.release import (
    Basis,
    Entry,
    Fact,
    GrantRevoked,
    KeysBackedUp,
    KeysDestroyed,
    KeysRestored,
    LeaseEnded,
    LeaseIssued,
    PassphraseChanged,
    Released,
    RotationBegun,
    RotationEnded,
    WorkerAdmitted,
    WorkerRemoved,
)

DOMAIN = b"sealock release ledger v1\n"
NOTHING = "0" * 64
"""What the first entry names as the one before."""

LONGEST_LINE = 16 * 1024
"""Bytes, the line's end included."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def _is_printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return value


_Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Text = Annotated[str, Field(max_length=1024), AfterValidator(_is_printable)]
_Count = Annotated[int, Field(ge=0, lt=2**53)]
_Time = Annotated[float, Field(ge=0, lt=2**53, allow_inf_nan=False)]


class _Issued(_Part):
    event: Literal["lease-issued"]
    lease: _Text
    build: _Text
    attempt: _Count
    account: _Text
    project: _Text
    plan_digest: _Text
    worker: _Text
    key: _Hex
    epoch: _Count
    expires_at: _Time
    by: _Text


class _Ended(_Part):
    event: Literal["lease-ended"]
    build: _Text
    attempt: _Count
    by: _Text


class _Revoked(_Part):
    event: Literal["grant-revoked"]
    grant: _Text
    by: _Text


class _Released(_Part):
    event: Literal["released"]
    account: _Text
    project: _Text
    kind: _Text
    name: _Text
    version: _Count
    basis: Literal["lease", "member", "grant"]
    reason: _Text
    build: _Text
    attempt: _Count
    step: _Text
    to: _Text
    via: _Text
    key: _Hex


class _Destroyed(_Part):
    event: Literal["keys-destroyed"]
    account: _Text
    project: _Text
    by: _Text


class _Begun(_Part):
    event: Literal["rotation-begun"]
    level: Literal["root", "sets"]
    generation: _Count
    by: _Text


class _Over(_Part):
    event: Literal["rotation-ended"]
    level: Literal["root", "sets"]
    generation: _Count
    owners: _Count
    kept: _Count
    by: _Text


class _BackupPart(_Part):
    event: Literal["keys-backed-up", "keys-restored"]
    part: _Count
    owners: _Count
    by: _Text


class _Passphrase(_Part):
    event: Literal["passphrase-changed"]
    by: _Text


class _Worker(_Part):
    event: Literal["worker-admitted", "worker-removed"]
    worker: _Text
    key: _Hex
    by: _Text


_AboutBuilds = _Issued | _Ended | _Revoked | _Released
_AboutKeys = _Destroyed | _Begun | _Over | _BackupPart | _Passphrase


class _Line(_Part):
    sequence: Annotated[int, Field(ge=1, lt=2**53)]
    at: _Time
    fact: Annotated[_AboutBuilds | _AboutKeys | _Worker, Field(discriminator="event")]
    previous: _Hex
    digest: _Hex


_EVENTS: dict[type[Fact], str] = {
    LeaseIssued: "lease-issued",
    LeaseEnded: "lease-ended",
    GrantRevoked: "grant-revoked",
    Released: "released",
    KeysDestroyed: "keys-destroyed",
    RotationBegun: "rotation-begun",
    RotationEnded: "rotation-ended",
    KeysBackedUp: "keys-backed-up",
    KeysRestored: "keys-restored",
    PassphraseChanged: "passphrase-changed",
    WorkerAdmitted: "worker-admitted",
    WorkerRemoved: "worker-removed",
}
_FACTS: dict[str, type[Fact]] = {event: fact for fact, event in _EVENTS.items()}


def chain(fact: Fact, at: float, before: Entry | None) -> Entry:
    """The entry that follows `before`. Its time is never earlier than the one before it."""
    sequence, previous, earliest = _place_after(before)
    at = max(float(at), earliest)
    return Entry(sequence, at, fact, previous, _digest(sequence, at, fact, previous))


def write(entry: Entry) -> bytes:
    """The entry as a line. ValueError if it could not be read again."""
    line = _canonical({**_body(entry.sequence, entry.at, entry.fact, entry.previous), "digest": entry.digest})
    if len(line) >= LONGEST_LINE:
        raise ValueError(f"an entry of {len(line)} bytes is too long")
    read(line + b"\n")
    return line + b"\n"


def read(line: bytes) -> Entry:
    """The entry in a line, wherever it stands. ValueError says what is wrong with it."""
    try:
        found = _Line.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:100]
        raise ValueError(f"{place!r}: {first['msg']}") from error
    fields = found.fact.model_dump()
    kind = _FACTS[fields.pop("event")]
    if "basis" in fields:
        fields["basis"] = Basis(fields["basis"])
    entry = Entry(found.sequence, found.at, kind(**fields), found.previous, found.digest)
    _check(line, entry)
    return entry


def check_place(entry: Entry, before: Entry | None) -> None:
    """ValueError unless `entry` follows `before`, or is the first if that is None."""
    sequence, previous, earliest = _place_after(before)
    if (entry.sequence, entry.previous) != (sequence, previous):
        raise ValueError("it does not follow the entry before it")
    if entry.at < earliest:
        raise ValueError("it is earlier than the entry before it")


def _place_after(before: Entry | None) -> tuple[int, str, float]:
    return (before.sequence + 1, before.digest, before.at) if before else (1, NOTHING, 0.0)


def _check(line: bytes, entry: Entry) -> None:
    body = _body(entry.sequence, entry.at, entry.fact, entry.previous)
    if entry.digest != _digest(entry.sequence, entry.at, entry.fact, entry.previous):
        raise ValueError("its digest is not the one of its content")
    if line != _canonical({**body, "digest": entry.digest}) + b"\n":
        raise ValueError("it is not written as Sealock writes it")


def _body(sequence: int, at: float, fact: Fact, previous: str) -> dict[str, object]:
    told = {"event": _EVENTS[type(fact)], **asdict(fact)}
    return {"sequence": sequence, "at": at, "fact": told, "previous": previous}


def _digest(sequence: int, at: float, fact: Fact, previous: str) -> str:
    return hashlib.sha256(DOMAIN + _canonical(_body(sequence, at, fact, previous))).hexdigest()


def _canonical(value: dict[str, object]) -> bytes:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode()
