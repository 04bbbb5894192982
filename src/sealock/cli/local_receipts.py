"""Receipts as files of this host, wherever they came from."""

from __future__ import annotations

from pathlib import Path

from sealock.core.errors import UsageError
from sealock.core.receipt import LONGEST_RECEIPT

HOW_TO_NAME_ONE = (
    "Name the file of a receipt: `sealock run` says at its end where it lies. For a build of a server, sign "
    "in first: sealock login URL"
)


class LocalReceipts:
    """`places.ReceiptPlace`."""

    def receipt(self, named: str, attempt: int | None) -> bytes:
        """What the file holds."""
        if attempt is not None:
            raise UsageError(
                "--attempt is for builds of a server, and a file is read here",
                resolution="Leave it out. Or name a build: signed in to its server, and without --local.",
            )
        return read_receipt_file(Path(named), HOW_TO_NAME_ONE)

    def key(self, given: Path | None) -> bytes | None:
        """What the file holds; None for this installation's key."""
        return None if given is None else read_receipt_file(given)


def read_receipt_file(file: Path, resolution: str = "Name a file that is there and can be read.") -> bytes:
    """At most one byte more than a receipt may have: enough to refuse it."""
    try:
        with file.open("rb") as opened:
            return opened.read(LONGEST_RECEIPT + 1)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot read {str(file)!r}",
            details=str(getattr(error, "strerror", error)),
            resolution=resolution,
        ) from error
