"""The keeper as a process, shut in as always, over each back end that is not a file.

Its filter on system calls lets it reach Vault and KMS over the network, and derive a key from a passphrase.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sealock.core.errors import SealockError
from sealock.core.scope import Scope, enclose
from sealock.core.secret import Secret
from sealock.keeper.sealing import seal
from tests.support.keeper import ORIGIN, TOKEN, terms
from tests.support.keeper_process import RunningKeeper, running_keeper
from tests.support.kms import CREDENTIALS, running_kms
from tests.support.vault import RunningVault, running_vault

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
PASSPHRASE = "correct horse battery"


@dataclass
class Subject:
    """settings: what makes the keeper use it. vault: for what a test does to it."""

    settings: dict[str, str] = field(default_factory=dict)
    vault: RunningVault | None = None

    @property
    def before(self) -> list[str]:
        return ["env", *(f"{name}={value}" for name, value in self.settings.items())]


def passphrase_file(tmp_path: Path, text: str = PASSPHRASE) -> Path:
    path = tmp_path / f"passphrase-{len(text)}"
    path.write_text(text)
    path.chmod(0o400)
    return path


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[RunningVault]:
    with running_vault(tmp_path / "vault") as running:
        yield running


@pytest.fixture
def vault_subject(vault: RunningVault) -> Subject:
    return Subject(
        {
            "SEALOCK_KEY_BACKEND": "vault",
            "SEALOCK_VAULT_ADDRESS": vault.address,
            "SEALOCK_VAULT_TOKEN_FILE": str(vault.token_file),
            "SEALOCK_VAULT_CA_CERTIFICATE": str(vault.ca_certificate),
        },
        vault,
    )


@pytest.fixture
def passphrase_subject(tmp_path: Path) -> Subject:
    place = str(passphrase_file(tmp_path))
    return Subject({"SEALOCK_KEY_BACKEND": "passphrase", "SEALOCK_KEY_PASSPHRASE_FILE": place})


@pytest.fixture
def kms_subject(monkeypatch: pytest.MonkeyPatch) -> Iterator[Subject]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with running_kms() as kms:
        settings = {"SEALOCK_KEY_BACKEND": "kms", "SEALOCK_KMS_KEY": kms.key}
        yield Subject(settings | {"SEALOCK_KMS_ENDPOINT": kms.endpoint})


async def sealed_and_opened(keeper: RunningKeeper, value: bytes, attempt: int = 1) -> bytes:
    """By way of the keeper's socket alone: no other process has the back end."""
    client = keeper.client()
    to = await client.public_key(TOKEN.owner)
    sealed = seal(TOKEN, enclose(Scope(protected_only=False, origin=ORIGIN), Secret(value)), to)
    async with client.lease(terms(attempt=attempt)) as lease:
        return (await lease.open(sealed, step="test:unit")).reveal()


@pytest.mark.parametrize("name", ["passphrase", "vault", "kms"])
async def test_it_opens(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> None:
    subject: Subject = request.getfixturevalue(f"{name}_subject")
    directory = tmp_path / "installation"
    directory.mkdir()
    with running_keeper(directory, subject.before) as keeper:
        assert await sealed_and_opened(keeper, b"canary") == b"canary"
    assert "canary" not in keeper.log
    assert PASSPHRASE not in keeper.log
    assert not (directory / "data" / "keys" / "key-encryption-key").exists()


async def test_a_vault_that_is_sealed_meanwhile(
    vault_subject: Subject, vault: RunningVault, tmp_path: Path
) -> None:
    directory = tmp_path / "installation"
    directory.mkdir()
    with running_keeper(directory, vault_subject.before) as keeper:
        assert await sealed_and_opened(keeper, b"canary") == b"canary"
        vault.vault.sealed = True
        with pytest.raises(SealockError):
            await sealed_and_opened(keeper, b"canary", attempt=2)
        vault.vault.sealed = False
        assert await sealed_and_opened(keeper, b"canary", attempt=3) == b"canary"


def refusal(directory: Path, before: list[str]) -> str:
    """What a keeper that does not start says."""
    directory.mkdir(exist_ok=True)
    keeper = RunningKeeper(directory, before)
    try:
        with pytest.raises(RuntimeError):
            keeper.wait_until_it_serves()
        assert keeper.process.wait(30) == 3
    finally:
        keeper.end()
    return keeper.log


async def test_it_does_not_start_with_the_wrong_passphrase(
    passphrase_subject: Subject, tmp_path: Path
) -> None:
    directory = tmp_path / "installation"
    directory.mkdir()
    with running_keeper(directory, passphrase_subject.before) as keeper:
        assert await sealed_and_opened(keeper, b"canary") == b"canary"
    wrong = passphrase_file(tmp_path, "another passphrase")
    said = refusal(directory, [*passphrase_subject.before, f"SEALOCK_KEY_PASSPHRASE_FILE={wrong}"])
    assert "passphrase of the key-encryption keys is wrong" in said
    assert "What to do: Give the right passphrase" in said
    assert "another passphrase" not in said


def test_it_does_not_start_with_nobody_to_ask(tmp_path: Path) -> None:
    said = refusal(tmp_path / "installation", ["env", "SEALOCK_KEY_BACKEND=passphrase"])
    assert "there is nobody to ask" in said
    assert "What to do: Set key_passphrase_file" in said


def test_it_does_not_start_with_a_sealed_vault(
    vault_subject: Subject, vault: RunningVault, tmp_path: Path
) -> None:
    vault.vault.sealed = True
    said = refusal(tmp_path / "installation", vault_subject.before)
    assert "it is sealed" in said
    assert "What to do: Unseal it" in said


def test_it_does_not_start_with_a_token_that_ran_out(
    vault_subject: Subject, vault: RunningVault, tmp_path: Path
) -> None:
    vault.vault.tokens = dict.fromkeys(vault.vault.tokens, 0.0)
    said = refusal(tmp_path / "installation", vault_subject.before)
    assert "Vault refused the token" in said
    assert "What to do: Renew it" in said


def test_it_does_not_start_with_a_key_others_can_read(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(os.urandom(32))
    key.chmod(0o444)
    said = refusal(tmp_path / "installation", ["env", f"SEALOCK_KEY_ENCRYPTION_KEY={key}"])
    assert "not safe to use" in said
    assert "What to do: If nobody else can have seen it" in said
