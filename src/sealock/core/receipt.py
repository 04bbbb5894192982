"""A receipt: a signed statement of what one build did and what became of its machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sealock.core.build import BuildRecord


@dataclass(frozen=True)
class Receipt:
    """envelope: the DSSE envelope as JSON bytes. path: where it is kept. key_id: who signed it."""

    build_id: str
    envelope: bytes
    path: Path
    key_id: str


class Receipts(Protocol):
    """Where receipts are signed and kept."""

    def sign(self, record: BuildRecord) -> Receipt:
        """Sign and keep the receipt of a build that has ended. PermanentError if it cannot be kept."""
        ...
