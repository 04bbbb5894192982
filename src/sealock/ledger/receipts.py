"""Signs receipts and keeps each in a file of its own, written whole and never written again."""

from __future__ import annotations

from pathlib import Path

from sealock.core.build import BuildRecord
from sealock.core.errors import PermanentError
from sealock.core.files import make_private_directory, write_whole
from sealock.core.receipt import LONGEST_RECEIPT, Receipt
from sealock.ledger.envelope import write
from sealock.ledger.signing import InstallationKey
from sealock.ledger.statement import statements

SUFFIX = ".intoto.jsonl"


class ReceiptFiles:
    """Receipts in a directory (`core.receipt.Receipts`), named by the build's id."""

    def __init__(self, directory: Path, key: InstallationKey) -> None:
        self._directory = directory
        self._key = key

    def sign(self, record: BuildRecord) -> Receipt:
        """Sign and keep the receipt of a build that has ended. PermanentError if it cannot be kept, or
        there is one of this build already."""
        provenance, receipt = statements(record, self._key.key_id)
        signed = write((self._key.sign(provenance.canonical()), self._key.sign(receipt.canonical())))
        # The id is safe in a path: the statements do not hold any other.
        path = self._directory / f"{record.id}{SUFFIX}"
        self._keep(path, signed)
        return Receipt(record.id, signed, path, self._key.key_id)

    def _keep(self, path: Path, signed: bytes) -> None:
        if len(signed) > LONGEST_RECEIPT:
            raise PermanentError(
                f"the receipt would be {len(signed)} bytes long, at most {LONGEST_RECEIPT} can be checked",
                resolution="Put several commands into a script: a receipt has an entry for each.",
            )
        make_private_directory(self._directory)
        if path.exists():
            raise PermanentError(f"there is a receipt of this build already: {path}")
        try:
            write_whole(path, signed)
        except OSError as error:
            raise PermanentError(
                f"the receipt {path} cannot be kept",
                details=str(error),
                resolution="Make room or give us the right to write there, and build again.",
            ) from error
