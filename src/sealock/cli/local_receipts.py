"""Receipts as files of this host, wherever they came from."""

from __future__ import annotations

from pathlib import Path

from sealock.core.errors import UsageError
from sealock.core.receipt import LONGEST_RECEIPT


class LocalReceipts:
    """`places.ReceiptPlace`."""

    def receipt(self, named: str) -> bytes:
        """What the file holds."""
        return read_receipt_file(Path(named))

    def key(self, given: Path | None) -> bytes | None:
        """What the file holds; None for this installation's key."""
        return None if given is None else read_receipt_file(given)


def read_receipt_file(file: Path) -> bytes:
    """At most one byte more than a receipt may have: enough to refuse it."""
    try:
        with file.open("rb") as opened:
            return opened.read(LONGEST_RECEIPT + 1)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot read {str(file)!r}", details=str(getattr(error, "strerror", error))
        ) from error
