"""Vault that is sealed, gone, somebody else, old, or refuses: said clearly, and no error holds a secret."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError, SealockError, TemporaryError, UsageError
from sealock.core.sealed import DoesNotOpen
from sealock.core.secret import Secret
from sealock.keeper.backends.options import VaultOptions
from sealock.keeper.backends.port import Wrapped
from sealock.keeper.backends.vault import VaultBackend
from tests.support.vault import TOKEN, RunningVault, running_vault

VALUE = b"32 bytes that are very secret..!"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningVault]:
    with running_vault(tmp_path / "vault") as found:
        yield found


@pytest.fixture
def options(running: RunningVault) -> VaultOptions:
    return VaultOptions(running.address, "sealock", running.token_file, ca_certificate=running.ca_certificate)


@pytest.fixture
def backend(options: VaultOptions) -> Iterator[VaultBackend]:
    made = VaultBackend(options)
    yield made
    made.close()


def refusal(backend: VaultBackend, wrapped: Wrapped | None = None) -> SealockError:
    """What wrapping, or unwrapping `wrapped`, is refused with."""
    with pytest.raises(SealockError) as caught:
        if wrapped is None:
            backend.wrap(Secret(VALUE), b"a")
        else:
            backend.unwrap(wrapped, b"a")
    error = caught.value
    causes = f"{error}{error.__cause__!r}"
    assert TOKEN not in causes
    assert "MzIgYnl0" not in causes  # how the value begins, in Base64
    return error


def test_sealed(running: RunningVault, backend: VaultBackend) -> None:
    wrapped = backend.wrap(Secret(VALUE), b"a")
    running.vault.sealed = True
    assert isinstance(refusal(backend, wrapped), TemporaryError)
    assert "it is sealed" in refusal(backend).brief
    assert "it is sealed" in str(backend.status().works)
    running.vault.sealed = False
    assert backend.unwrap(wrapped, b"a").reveal() == VALUE


def test_a_token_that_expires_and_is_renewed(running: RunningVault, backend: VaultBackend) -> None:
    backend.wrap(Secret(VALUE), b"a")
    running.vault.tokens[TOKEN] = time.monotonic()
    assert "refused the token" in refusal(backend).brief
    running.vault.tokens["hvs.new"] = float("inf")
    running.token_file.unlink()
    running.token_file.write_text("hvs.new")
    running.token_file.chmod(0o400)
    assert backend.wrap(Secret(VALUE), b"a").key == "vault:transit/sealock:v1"


@pytest.mark.parametrize("path", ["encrypt/sealock", "decrypt/sealock"])
def test_a_token_that_may_not(running: RunningVault, backend: VaultBackend, path: str) -> None:
    wrapped = backend.wrap(Secret(VALUE), b"a")
    running.vault.forbidden.add(path)
    error = refusal(backend, None if path.startswith("encrypt") else wrapped)
    assert isinstance(error, PermanentError)
    assert path in error.details


def test_gone(options: VaultOptions, backend: VaultBackend) -> None:
    closed = VaultBackend(replace(options, address="https://127.0.0.1:1"))
    error = refusal(closed)
    assert isinstance(error, TemporaryError)
    assert "cannot be reached" in error.brief
    closed.close()


def test_somebody_elses_certificate(running: RunningVault, options: VaultOptions, tmp_path: Path) -> None:
    with running_vault(tmp_path / "other") as other:
        fooled = VaultBackend(replace(options, ca_certificate=other.ca_certificate))
        assert "CERTIFICATE_VERIFY_FAILED" in refusal(fooled).details
        fooled.close()
    assert not running.vault.requests


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8200", "127.0.0.1:8200", "https://", "https://me@vault", "file:///etc", ""]
)
def test_only_https(options: VaultOptions, address: str) -> None:
    with pytest.raises(UsageError, match="cannot be Vault's address"):
        VaultBackend(replace(options, address=address))


@pytest.mark.parametrize("name", ["", "../sys", "a b", "a?b", "a//b", "/a", "a/"])
def test_names_cannot_lead_elsewhere(options: VaultOptions, name: str) -> None:
    for changed in (replace(options, key=name), replace(options, mount=name)):
        with pytest.raises(UsageError, match="cannot be a mount or key"):
            VaultBackend(changed)


def test_a_key_that_is_not_there_is_not_made(running: RunningVault, options: VaultOptions) -> None:
    wrong = VaultBackend(replace(options, key="typo"))
    assert "does not have the key" in refusal(wrong).brief
    assert "does not have the key" in str(wrong.status().works)
    assert set(running.vault.keys) == {"sealock"}
    wrong.close()


def test_a_redirect_is_not_followed(running: RunningVault, backend: VaultBackend) -> None:
    running.vault.answer_with = 307, b""
    assert "not the active server" in refusal(backend).resolution


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"{}", b'{"data": []}', b"<html>", b"\xff", b'{"data": {"ciphertext": "x"}}'],
)
def test_an_answer_that_is_not_vaults(running: RunningVault, backend: VaultBackend, content: bytes) -> None:
    wrapped = backend.wrap(Secret(VALUE), b"a")
    running.vault.answer_with = 200, content
    assert "does not speak as Vault does" in refusal(backend).brief
    assert "does not speak as Vault does" in refusal(backend, wrapped).brief


def test_an_answer_without_end(running: RunningVault, backend: VaultBackend) -> None:
    running.vault.answer_with = 200, b" " * (1024 * 1024)
    assert "longer than" in refusal(backend).details


def test_a_vault_that_does_not_know_associated_data(running: RunningVault, backend: VaultBackend) -> None:
    """It would decrypt for any binding; the copy of the binding inside is what stops it."""
    running.vault.ignores_associated_data = True
    wrapped = backend.wrap(Secret(VALUE), b"a")
    assert backend.unwrap(wrapped, b"a").reveal() == VALUE
    with pytest.raises(DoesNotOpen):
        backend.unwrap(wrapped, b"b")


def test_what_is_sent_is_bound(running: RunningVault, backend: VaultBackend) -> None:
    wrapped = backend.wrap(Secret(VALUE), b"a")
    backend.unwrap(wrapped, b"a").forget()
    assert [sorted(body) for _, _, body in running.vault.requests] == [
        ["associated_data", "plaintext"],
        ["associated_data", "ciphertext"],
    ]


def test_a_version_that_is_forbidden_is_called_that(running: RunningVault, backend: VaultBackend) -> None:
    wrapped = backend.wrap(Secret(VALUE), b"a")
    backend.begin_rotation(backend.current())
    running.vault.keys["sealock"].min_decryption_version = 2
    assert "that version of the key" in refusal(backend, wrapped).brief


def test_a_record_that_lies_about_its_version_does_not_open(backend: VaultBackend) -> None:
    """Rotation would believe it, and destroy the version it needs."""
    wrapped = backend.wrap(Secret(VALUE), b"a")
    backend.begin_rotation(backend.current())
    with pytest.raises(DoesNotOpen):
        backend.unwrap(replace(wrapped, key=backend.current()), b"a")


def test_rotation_leaves_no_older_version_in_vault(running: RunningVault, backend: VaultBackend) -> None:
    backend.end_rotation(backend.begin_rotation(backend.current()))
    assert list(running.vault.keys["sealock"].versions) == [2]


def test_a_key_that_could_be_exported_is_told(running: RunningVault, backend: VaultBackend) -> None:
    assert not any("exported" in note for note in backend.status().notes)
    running.vault.keys["sealock"].exportable = True
    assert any("exported" in note for note in backend.status().notes)


def test_no_token(running: RunningVault, backend: VaultBackend) -> None:
    running.token_file.chmod(0o444)
    assert "not safe to use" in refusal(backend).brief
    running.token_file.unlink()
    assert "there is no Vault token" in refusal(backend).brief
    running.token_file.write_text("two\nlines")
    running.token_file.chmod(0o400)
    assert "does not hold a Vault token" in refusal(backend).brief
