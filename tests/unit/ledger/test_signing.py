"""The installation's signing key."""

from __future__ import annotations

import hashlib
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

from sealock.core.errors import PermanentError, UsageError
from sealock.core.files import create_secret_file
from sealock.ledger.signing import InstallationKey, find_public_key, load_public_key


def test_it_is_made_once_and_found_again(tmp_path: Path) -> None:
    first = InstallationKey.load_or_create(tmp_path / "keys")
    again = InstallationKey.load_or_create(tmp_path / "keys")
    assert (first.key_id, first.public_key) == (again.key_id, again.public_key)
    assert stat.S_IMODE((tmp_path / "keys/installation.key").stat().st_mode) == 0o400
    assert find_public_key(tmp_path / "keys") == first.public_key


def test_no_two_installations_share_one(tmp_path: Path) -> None:
    keys = {InstallationKey.load_or_create(tmp_path / str(number)).key_id for number in range(4)}
    assert len(keys) == 4


def test_looking_for_the_public_half_makes_nothing(tmp_path: Path) -> None:
    assert find_public_key(tmp_path / "keys") is None
    assert not (tmp_path / "keys").exists()


def test_its_id_is_what_openssl_says(key: InstallationKey) -> None:
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"],
        input=key.public_key,
        capture_output=True,
        check=True,
    ).stdout
    assert key.key_id == hashlib.sha256(der).hexdigest()


def test_it_signs_what_dsse_says_and_nothing_else(key: InstallationKey) -> None:
    envelope = key.sign(b'{"a":1}')
    signature = bytes.fromhex(envelope.signatures[key.key_id].signature)
    public = load_pem_public_key(key.public_key)
    public.verify(signature, b'DSSEv1 28 application/vnd.in-toto+json 7 {"a":1}')  # type: ignore[union-attr,call-arg]


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o644])
def test_a_key_others_can_read_signs_nothing(tmp_path: Path, mode: int) -> None:
    key = InstallationKey.load_or_create(tmp_path / "keys")
    (tmp_path / "keys/installation.key").chmod(mode)
    with pytest.raises(PermanentError, match="not safe to use"):
        key.sign(b"{}")
    with pytest.raises(PermanentError, match="not safe to use"):
        InstallationKey.load_or_create(tmp_path / "keys")


def test_a_public_half_that_was_exchanged_is_noticed(tmp_path: Path) -> None:
    InstallationKey.load_or_create(tmp_path / "keys")
    other = InstallationKey.load_or_create(tmp_path / "other")
    (tmp_path / "keys/installation.pub").write_bytes(other.public_key)
    with pytest.raises(PermanentError, match="is not the public half"):
        InstallationKey.load_or_create(tmp_path / "keys")


def test_a_public_half_that_is_missing_is_written_anew(tmp_path: Path) -> None:
    first = InstallationKey.load_or_create(tmp_path / "keys")
    (tmp_path / "keys/installation.pub").unlink()
    InstallationKey.load_or_create(tmp_path / "keys")
    assert find_public_key(tmp_path / "keys") == first.public_key


def test_a_missing_private_half_is_said_to_be_missing(tmp_path: Path) -> None:
    key = InstallationKey.load_or_create(tmp_path / "keys")
    (tmp_path / "keys/installation.key").unlink()
    with pytest.raises(PermanentError, match="is missing"):
        key.sign(b"{}")


def test_what_is_no_ed25519_key_is_refused(tmp_path: Path) -> None:
    curve = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for number, content in enumerate((b"", b"nonsense", curve)):
        create_secret_file(tmp_path / str(number) / "installation.key", content)
        with pytest.raises(PermanentError, match="does not hold an Ed25519 private key"):
            InstallationKey.load_or_create(tmp_path / str(number))


def test_only_public_keys_are_taken_to_check_with(key: InstallationKey) -> None:
    curve = generate_private_key(SECP256R1()).public_key()
    wrong = curve.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for pem in (b"", b"nonsense", wrong, private, key.public_key[:-30], b"\xff" * 100):
        with pytest.raises(UsageError, match="not an Ed25519 public key"):
            load_public_key(pem)


def test_the_private_half_is_not_printed(key: InstallationKey, tmp_path: Path) -> None:
    body = (tmp_path / "keys/installation.key").read_text().splitlines()[1]
    for text in (repr(key), str(key), repr(vars(key)), repr(key.sign(b"{}").to_dict())):
        assert body not in text
