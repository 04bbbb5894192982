"""The form of a receipt: an in-toto bundle of exactly two DSSE envelopes, one a line, in one spelling.

DSSE signs the payload, not the JSON around it. So that nobody can add to, reorder or respell what is around
it either, a file that is not byte for byte what Sealock writes is refused.
"""

from __future__ import annotations

import json
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, ValidationError
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]  # public, if not marked so

from sealock.core import base64_text
from sealock.core.decision import Denied
from sealock.core.receipt import LONGEST_RECEIPT
from sealock.ledger.predicates import Part, Sha256Hex

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"


def _is_base64(value: str) -> str:
    """The one spelling of these bytes; ValueError for any other."""
    base64_text.decode(value)
    return value


Base64 = Annotated[str, AfterValidator(_is_base64)]


class SignatureLine(Part):
    keyid: Sha256Hex
    sig: Annotated[Base64, Field(max_length=88)]


class EnvelopeLine(Part):
    """A DSSE envelope with one signature."""

    payload: Base64
    payload_type: Literal["application/vnd.in-toto+json"] = PAYLOAD_TYPE
    signatures: tuple[SignatureLine]

    def content(self) -> bytes:
        """What was signed."""
        return base64_text.decode(self.payload)


def write(envelopes: tuple[Envelope, Envelope]) -> bytes:
    """A receipt's bytes: one envelope a line."""
    return b"".join(
        EnvelopeLine.model_validate_json(_json(envelope)).canonical() + b"\n" for envelope in envelopes
    )


def read(receipt: bytes) -> tuple[EnvelopeLine, EnvelopeLine] | Denied:
    """The two envelopes of a receipt, or why it is none. Signatures are not looked at."""
    if len(receipt) > LONGEST_RECEIPT:
        return Denied(f"it is longer than {LONGEST_RECEIPT} bytes")
    if not receipt.endswith(b"\n"):
        return Denied("it does not end where a receipt ends: a part of it is missing")
    lines = receipt[:-1].split(b"\n")
    if len(lines) != 2:
        return Denied(f"it has {len(lines)} lines; a receipt is two signed statements, each on its line")
    first, second = _read_line(lines[0], 1), _read_line(lines[1], 2)
    if isinstance(first, Denied):
        return first
    return second if isinstance(second, Denied) else (first, second)


def check_signature(line: EnvelopeLine, key: SSlibKey) -> Denied | None:
    """None if this key signed this envelope."""
    signer = line.signatures[0].keyid
    if signer != key.keyid:
        return Denied(f"it says it was signed by key {signer[:16]}, not by {key.keyid[:16]}")
    envelope = Envelope.from_dict(line.model_dump(mode="json", by_alias=True))
    try:
        envelope.verify([key], threshold=1)
    except (VerificationError, UnverifiedSignatureError):
        return Denied(f"the signature of key {signer[:16]} is not one of this content: it was altered")
    return None


def describe(error: ValidationError, where: str) -> Denied:
    """The first thing that is wrong with a part of a receipt, in one sentence."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "the whole"
    return Denied(f"{where}, {field[:200]!r}: {first['msg']}")


def _json(envelope: Envelope) -> str:
    return json.dumps(envelope.to_dict())


def _read_line(line: bytes, number: int) -> EnvelopeLine | Denied:
    try:
        found = EnvelopeLine.model_validate_json(line)
    except ValidationError as error:
        return describe(error, f"line {number}")
    if found.canonical() != line:
        return Denied(f"line {number} is not written as Sealock writes it: spaces, order or a field twice")
    return found
