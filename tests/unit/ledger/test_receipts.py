"""Receipts are kept whole, once, for us alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sealock.core.build import BuildRecord, CommandResult
from sealock.core.errors import PermanentError
from sealock.ledger.receipts import ReceiptFiles
from sealock.ledger.signing import InstallationKey


def test_it_is_kept_as_it_was_signed(key: InstallationKey, record: BuildRecord, tmp_path: Path) -> None:
    receipt = ReceiptFiles(tmp_path / "receipts", key).sign(record)
    assert receipt.path == tmp_path / "receipts" / f"{record.id}.intoto.jsonl"
    assert receipt.path.read_bytes() == receipt.envelope
    assert stat.S_IMODE(receipt.path.stat().st_mode) == 0o600
    assert (receipt.build_id, receipt.key_id) == (record.id, key.key_id)
    assert [path.name for path in (tmp_path / "receipts").iterdir()] == [receipt.path.name]


def test_it_is_never_written_again(key: InstallationKey, record: BuildRecord, tmp_path: Path) -> None:
    files = ReceiptFiles(tmp_path / "receipts", key)
    first = files.sign(record)
    record.commit = "e" * 40
    with pytest.raises(PermanentError, match="there is a receipt of this build already"):
        files.sign(record)
    assert first.path.read_bytes() == first.envelope


def test_an_id_cannot_lead_elsewhere(key: InstallationKey, record: BuildRecord, tmp_path: Path) -> None:
    record.id = "../escaped"
    with pytest.raises(PermanentError):
        ReceiptFiles(tmp_path / "receipts", key).sign(record)
    assert not (tmp_path / "escaped.intoto.jsonl").exists()


def test_one_that_nobody_could_check_is_not_signed(
    key: InstallationKey, record: BuildRecord, tmp_path: Path
) -> None:
    record.commands = [CommandResult("s" * 4000, "true", 0, 0.1)] * 2000
    with pytest.raises(PermanentError, match="bytes long"):
        ReceiptFiles(tmp_path / "receipts", key).sign(record)


def test_where_it_cannot_be_kept_is_said(
    key: InstallationKey, record: BuildRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(PermanentError, match="cannot be kept"):
        ReceiptFiles(tmp_path / "receipts", key).sign(record)
    assert list((tmp_path / "receipts").iterdir()) == []
