"""Signs receipts, and keeps each in a file of its own where no database does: written whole, once."""

from __future__ import annotations

from pathlib import Path

from sealock.core.build import BuildRecord
from sealock.core.errors import PermanentError
from sealock.core.files import make_private_directory, write_whole
from sealock.core.receipt import LONGEST_RECEIPT, Receipt, SignedReceipt
from sealock.ledger.envelope import write
from sealock.ledger.signing import InstallationKey
from sealock.ledger.statement import statements

SUFFIX = ".intoto.jsonl"


class Signer:
    """Signs receipts with the installation's key (`core.receipt.ReceiptSigner`)."""

    def __init__(self, key: InstallationKey) -> None:
        self._key = key

    def sign(self, record: BuildRecord) -> SignedReceipt:
        """As the port: a build's record always makes the same receipt."""
        provenance, receipt = statements(record, self._key.key_id)
        signed = write((self._key.sign(provenance.canonical()), self._key.sign(receipt.canonical())))
        if len(signed) > LONGEST_RECEIPT:
            raise PermanentError(
                f"the receipt would be {len(signed)} bytes long, at most {LONGEST_RECEIPT} can be checked",
                resolution="Put several commands into a script: a receipt has an entry for each.",
            )
        return SignedReceipt(signed, self._key.key_id)


class ReceiptFiles:
    """Receipts in a directory (`core.receipt.Receipts`), named by the build's id."""

    def __init__(self, directory: Path, key: InstallationKey) -> None:
        self._directory = directory
        self._signer = Signer(key)

    def sign(self, record: BuildRecord) -> Receipt:
        """Sign and keep the receipt of a build that has ended. PermanentError if it cannot be kept, or
        there is one of this build already."""
        signed = self._signer.sign(record)
        # The id is safe in a path: the statements do not hold any other.
        path = self._directory / f"{record.id}{SUFFIX}"
        self._keep(path, signed.envelope)
        return Receipt(record.id, signed.envelope, path, signed.key_id)

    def _keep(self, path: Path, signed: bytes) -> None:
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
