"""A receipt: what one build did and what became of its machine, signed.

A receipt that is checked comes out in one of three ways. It is refused: not what this installation
signed, or it contradicts itself. It is authentic but shows a promise that was not kept. Or all is well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sealock.core.build import BuildRecord
from sealock.core.decision import Allowed, Decision, Denied

LONGEST_RECEIPT = 8 * 1024 * 1024
"""Bytes. Tens of thousands of commands fit; what is longer is not read."""


@dataclass(frozen=True)
class Receipt:
    """envelope: the receipt as it is kept, DSSE envelopes as JSON lines. path: where it is kept.
    key_id: who signed it, 64 hexadecimal digits."""

    build_id: str
    envelope: bytes
    path: Path
    key_id: str


@dataclass(frozen=True)
class SignedReceipt:
    """A receipt that whoever asked for it keeps. envelope and key_id: as of `Receipt`."""

    envelope: bytes
    key_id: str


class ReceiptSigner(Protocol):
    """Signs receipts, and keeps none."""

    def sign(self, record: BuildRecord) -> SignedReceipt:
        """The receipt of a build that has ended. PermanentError for a record that cannot be made into one,
        or into one so long that nobody would read it."""
        ...


class Receipts(Protocol):
    """Where receipts are signed and kept."""

    def sign(self, record: BuildRecord) -> Receipt:
        """Sign and keep the receipt of a build that has ended. PermanentError if it cannot be kept."""
        ...


@dataclass(frozen=True)
class Check:
    """One thing that was checked. promise: `P3`… where it is about a promise of ours, None where it is
    about the receipt itself. decision: a denial's reason says what was found."""

    name: str
    promise: str | None
    decision: Decision


@dataclass(frozen=True)
class Verification:
    """How a receipt came out. checks: in the order they were made; the first that refuses the receipt is
    the last one. statements: the decoded in-toto statements, empty unless the receipt is authentic."""

    checks: tuple[Check, ...]
    key_id: str
    statements: tuple[Mapping[str, object], ...] = ()

    @property
    def authentic(self) -> bool:
        """Whether the receipt is what the key's owner signed, and agrees with itself."""
        return bool(self.statements) and all(check.decision for check in self.checks if not check.promise)

    @property
    def broken(self) -> tuple[Check, ...]:
        """Promises an authentic receipt shows not to have been kept."""
        return tuple(check for check in self.checks if check.promise and not check.decision)

    @property
    def kept(self) -> bool:
        """Authentic, and every promise was kept."""
        return self.authentic and not self.broken


def is_its_log(statements: tuple[Mapping[str, object], ...], digest: str) -> Decision:
    """Whether a sealed log file is the one that an authentic receipt names. statements: as in
    `Verification`. digest: `sha256:…` of the whole file."""
    told = statements[1]["predicate"]
    assert isinstance(told, Mapping)
    if "log" not in told:
        return Denied("the receipt is from before receipts named logs")
    if told["log"] is None:
        return Denied("the receipt says that no log was kept")
    named = f"sha256:{told['log']['digest']['sha256']}"
    if named != digest:
        return Denied(f"the file's digest is {digest}, the receipt names {named}")
    return Allowed()


class Verifier(Protocol):
    """Checks receipts. Needs no network, no installation and nothing but a public key."""

    def verify(self, receipt: bytes, public_key: bytes | None = None) -> Verification:
        """Check a receipt against a public key (PEM), or the installation's own if none is given.
        UsageError if there is no key to check against or it cannot be one."""
        ...

    def read(self, receipt: bytes) -> tuple[Mapping[str, object], ...]:
        """The decoded statements of a well-formed receipt, whoever signed it. UsageError if it is not
        one. Nothing in them may be believed before `verify`."""
        ...
