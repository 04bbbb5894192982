"""Signed statements: leases, which the keeper makes; requests for them, sessions and grants, made by others.

A statement travels as text: its payload and an Ed25519 signature, both Base64. The signature covers what
kind of statement it is too (the pre-authentication encoding of DSSE), so none passes for another kind. A
payload has one spelling; any other, and any field too many, is refused, whoever signed it.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable
from typing import Annotated, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sealock.core.grant import Grant, Session
from sealock.core.lease import Lease, LeaseRequest

LONGEST_STATEMENT = 256 * 1024
"""Characters of a statement as text."""

CONFIG = ConfigDict(
    strict=True,
    extra="forbid",
    frozen=True,
    allow_inf_nan=False,
    ser_json_bytes="base64",
    val_json_bytes="base64",
)
"""How everything the keeper reads is read: nothing is converted, nothing unknown is passed over."""


class _Lease(BaseModel):
    model_config = CONFIG
    type: Literal["lease"] = "lease"
    said: Lease


class _LeaseRequest(BaseModel):
    model_config = CONFIG
    type: Literal["lease-request"] = "lease-request"
    said: LeaseRequest


class _Session(BaseModel):
    model_config = CONFIG
    type: Literal["session"] = "session"
    said: Session


class _Grant(BaseModel):
    model_config = CONFIG
    type: Literal["grant"] = "grant"
    said: Grant


_Said = _Lease | _LeaseRequest | _Session | _Grant


class _Any(BaseModel):
    model_config = CONFIG
    statement: Annotated[_Said, Field(discriminator="type")]


class NotSigned(ValueError):
    """Not a statement of that kind, or not signed by who may make it."""


def sign(statement: Lease | LeaseRequest | Session | Grant, key: Ed25519PrivateKey) -> str:
    """The statement as text, signed."""
    payload = _encode(statement)
    kind = _Any.model_validate_json(payload).statement.type
    return f"{_text(payload)}.{_text(key.sign(_to_be_signed(kind, payload)))}"


def read_lease(text: str, keys: Iterable[bytes]) -> Lease:
    """The lease in a statement that one of `keys` (Ed25519, 32 bytes each) signed. NotSigned."""
    found = _read(text, keys, "lease").said
    if not isinstance(found, Lease):
        raise NotSigned("not a lease")
    return found


def read_session(text: str, keys: Iterable[bytes]) -> Session:
    """The session in a statement that one of `keys` signed. NotSigned."""
    found = _read(text, keys, "session").said
    if not isinstance(found, Session):
        raise NotSigned("not a session")
    return found


def read_grant(text: str, keys_of: dict[str, tuple[bytes, ...]]) -> Grant:
    """The grant in a statement that a key of the account it speaks for signed. keys_of: by account.
    NotSigned."""
    payload, signature = _parts(text)
    found = _decode(payload, "grant").said
    if not isinstance(found, Grant):
        raise NotSigned("not a grant")
    _verify("grant", payload, signature, keys_of.get(found.account, ()))
    return found


def read_request(text: str) -> LeaseRequest:
    """What somebody asked for, signed with the key it names. The caller knows whose that is. NotSigned."""
    payload, signature = _parts(text)
    found = told_request(text)
    _verify("lease-request", payload, signature, (found.worker,))
    return found


def told_request(text: str) -> LeaseRequest:
    """What somebody asked for, whoever signed it: for who carries it. NotSigned if it is none."""
    found = _decode(_parts(text)[0], "lease-request").said
    if not isinstance(found, LeaseRequest):
        raise NotSigned("not a lease-request")
    return found


def told_lease(text: str) -> Lease:
    """What a lease says, without asking who signed it: for its holder. NotSigned if it is none."""
    found = _decode(_parts(text)[0], "lease").said
    if not isinstance(found, Lease):
        raise NotSigned("not a lease")
    return found


def _read(text: str, keys: Iterable[bytes], kind: str) -> _Said:
    payload, signature = _parts(text)
    # The signature comes first: nothing a stranger made up is parsed.
    _verify(kind, payload, signature, keys)
    return _decode(payload, kind)


def _verify(kind: str, payload: bytes, signature: bytes, keys: Iterable[bytes]) -> None:
    for key in keys:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, _to_be_signed(kind, payload))
        except InvalidSignature:
            continue
        return
    raise NotSigned(f"no key that may make a {kind} signed this one")


def _to_be_signed(kind: str, payload: bytes) -> bytes:
    name = f"application/vnd.sealock.{kind}+json".encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)


def _encode(statement: Lease | LeaseRequest | Session | Grant) -> bytes:
    kinds: dict[type, type[_Said]] = {
        Lease: _Lease,
        LeaseRequest: _LeaseRequest,
        Session: _Session,
        Grant: _Grant,
    }
    said = kinds[type(statement)].model_validate({"said": statement})
    return _Any(statement=said).model_dump_json().encode()


def _decode(payload: bytes, kind: str) -> _Said:
    try:
        found = _Any.model_validate_json(payload)
    except ValidationError as error:
        raise NotSigned(f"not a {kind}") from error
    if found.statement.type != kind or found.model_dump_json().encode() != payload:
        raise NotSigned(f"not a {kind}, or not in its one spelling")
    return found.statement


def _parts(text: str) -> tuple[bytes, bytes]:
    payload, dot, signature = text.partition(".")
    if not dot or len(text) > LONGEST_STATEMENT:
        raise NotSigned("not a statement")
    return _bytes(payload), _bytes(signature)


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).decode()


def _bytes(text: str) -> bytes:
    try:
        value = urlsafe_b64decode(text)
    except (NotBase64, ValueError) as error:
        raise NotSigned("not a statement") from error
    if _text(value) != text:
        raise NotSigned("not in its one spelling")
    return value
