"""Decides what to think of a receipt, offline, from its bytes and a public key.

The order is the order of trust: the form of the file, who signed it, whether its fields are those of a
receipt, whether it agrees with itself, and only then what it says about the promises. The first no about
the receipt itself ends it: what comes after would be about words nobody stands for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import ValidationError

from sealock.core.decision import Allowed, Denied
from sealock.core.errors import UsageError
from sealock.core.receipt import Check, Verification
from sealock.ledger.checks import CONSISTENT, PROMISES, Statements
from sealock.ledger.envelope import EnvelopeLine, check_signature, describe, read
from sealock.ledger.predicates import Part, ProvenanceStatement, ReceiptStatement
from sealock.ledger.signing import load_public_key

WHOLE = "it is a whole receipt, in the form Sealock writes"
SIGNED = "it was signed by key"
FIELDS = "its fields are those of a receipt"

PartT = TypeVar("PartT", bound=Part)


class ReceiptVerifier:
    """Checks receipts (`core.receipt.Verifier`) against a key, by default this installation's."""

    def __init__(self, default_public_key: bytes | None = None) -> None:
        """default_public_key: PEM; None where there is no installation, only receipts to check."""
        self._default = default_public_key

    def verify(self, receipt: bytes, public_key: bytes | None = None) -> Verification:
        """Check a receipt. UsageError if there is no key to check against or it cannot be one."""
        pem = self._default if public_key is None else public_key
        if pem is None:
            raise UsageError(
                "there is no key to check the receipt against",
                resolution="Give the public key of the installation that signed it: --key installation.pub",
            )
        key = load_public_key(pem)
        made: list[Check] = []

        def refused(name: str, why: Denied) -> Verification:
            return Verification((*made, Check(name, None, why)), key.keyid)

        envelopes = read(receipt)
        if isinstance(envelopes, Denied):
            return refused(WHOLE, envelopes)
        made.append(Check(WHOLE, None, Allowed()))
        signed = f"{SIGNED} {key.keyid[:16]}"
        for envelope in envelopes:
            if (forged := check_signature(envelope, key)) is not None:
                return refused(signed, forged)
        made.append(Check(signed, None, Allowed()))
        statements = _read_statements(envelopes, key.keyid)
        if isinstance(statements, Denied):
            return refused(FIELDS, statements)
        made.append(Check(FIELDS, None, Allowed()))
        return _judge(statements, made)

    def read(self, receipt: bytes) -> tuple[Mapping[str, object], ...]:
        """The decoded statements of a well-formed receipt, whoever signed it. UsageError if it is none."""
        envelopes = read(receipt)
        found = envelopes if isinstance(envelopes, Denied) else _read_statements(envelopes, "")
        if isinstance(found, Denied):
            raise UsageError("this is not a receipt", details=found.reason)
        return _decoded(found)


def _read_statements(envelopes: tuple[EnvelopeLine, EnvelopeLine], key_id: str) -> Statements | Denied:
    provenance = _read_statement(envelopes[0].content(), ProvenanceStatement, "the provenance")
    if isinstance(provenance, Denied):
        return provenance
    receipt = _read_statement(envelopes[1].content(), ReceiptStatement, "the receipt's own statement")
    if isinstance(receipt, Denied):
        return receipt
    return Statements(provenance, receipt, key_id)


def _read_statement(payload: bytes, kind: type[PartT], where: str) -> PartT | Denied:
    try:
        statement = kind.model_validate_json(payload)
    except ValidationError as error:
        return describe(error, where)
    if statement.canonical() != payload:
        return Denied(f"{where} is not written as Sealock writes it: spaces, order or a field twice")
    return statement


def _judge(statements: Statements, made: list[Check]) -> Verification:
    for name, question in CONSISTENT:
        made.append(Check(name, None, question(statements)))
        if not made[-1].decision:
            return Verification(tuple(made), statements.key_id)
    made.extend(Check(name, promise, question(statements)) for promise, name, question in PROMISES)
    return Verification(tuple(made), statements.key_id, _decoded(statements))


def _decoded(statements: Statements) -> tuple[Mapping[str, object], ...]:
    both: tuple[Part, Part] = (statements.provenance, statements.receipt)
    return tuple(statement.model_dump(mode="json", by_alias=True) for statement in both)
