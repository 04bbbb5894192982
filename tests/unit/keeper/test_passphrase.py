"""Passphrases out of files: one's own, and what systemd hands a service whose user is not root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError
from sealock.keeper import passphrase
from sealock.keeper.passphrase import read_passphrase

TEXT = b"correct horse battery"


@pytest.fixture
def credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Root's, of mode 0440, as an access list shows."""
    monkeypatch.setattr(passphrase, "ROOT", os.geteuid())
    directory = tmp_path / "sealock-keeper.service"
    directory.mkdir(mode=0o550)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(directory))
    path = directory / "passphrase"
    path.write_bytes(TEXT + b"\r\nanother line")
    path.chmod(0o440)
    return path


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes(TEXT + b"\n")
    path.chmod(0o400)
    assert read_passphrase(path).reveal() == TEXT


def test_a_credential(credential: Path) -> None:
    assert read_passphrase(credential).reveal() == TEXT
    credential.chmod(0o400)  # of a service that is root's
    assert read_passphrase(credential).reveal() == TEXT


@pytest.mark.parametrize("mode", [0o444, 0o460, 0o644, 0o404])
def test_a_credential_others_can_read_or_change(credential: Path, mode: int) -> None:
    credential.chmod(mode)
    with pytest.raises(PermanentError, match="not safe to use"):
        read_passphrase(credential)


def test_such_a_file_somewhere_else(credential: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(PermanentError, match="not safe to use"):
        read_passphrase(credential)


def test_such_a_file_that_is_not_roots(credential: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passphrase, "ROOT", os.geteuid() + 1)
    with pytest.raises(PermanentError, match="not safe to use"):
        read_passphrase(credential)


def test_a_directory_somebody_else_could_change(credential: Path) -> None:
    credential.parent.chmod(0o770)
    with pytest.raises(PermanentError, match="can be changed by somebody else"):
        read_passphrase(credential)


def test_a_link_and_nothing_there(credential: Path) -> None:
    link = credential.with_name("link")
    link.symlink_to(credential)
    with pytest.raises(PermanentError, match="it is a link"):
        read_passphrase(link)
    for path in (credential.with_name("none"), Path("/nowhere/at/all")):
        with pytest.raises(PermanentError, match="there is no passphrase"):
            read_passphrase(path)
