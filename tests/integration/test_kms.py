"""AWS KMS as moto serves it: what is bound is checked, and no other key than ours will do."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import boto3
import pytest
from moto.core.authorization import enable_iam_authentication

from sealock.core.errors import PermanentError, SealockError, TemporaryError, UsageError
from sealock.core.sealed import DoesNotOpen
from sealock.core.secret import Secret
from sealock.keeper.backends.kms import KmsBackend
from sealock.keeper.backends.options import KmsOptions
from sealock.keeper.backends.port import Fails, Wrapped
from tests.support.kms import CREDENTIALS, RunningKms, running_kms

pytestmark = pytest.mark.slow
VALUE = b"32 bytes that are very secret..!"


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningKms]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with running_kms() as running:
        yield running


@pytest.fixture
def backend(kms: RunningKms) -> Iterator[KmsBackend]:
    made = KmsBackend(KmsOptions(kms.key, kms.endpoint))
    yield made
    made.close()


def test_the_binding_is_kms_own_encryption_context(kms: RunningKms, backend: KmsBackend) -> None:
    """Whoever has the ciphertext and the right to decrypt, but not the context, is refused by KMS."""
    wrapped = backend.wrap(Secret(VALUE), b"a")
    for context in ({}, {"sealock": "key set"}, {"sealock": "key set", "binding": "0" * 64}):
        with pytest.raises(kms.client.exceptions.InvalidCiphertextException):
            kms.client.decrypt(CiphertextBlob=wrapped.data, EncryptionContext=context)


def test_another_key_of_the_same_account_will_not_do(kms: RunningKms, backend: KmsBackend) -> None:
    """Somebody who may write our records puts in what they wrapped with a key that they may use."""
    theirs = KmsBackend(KmsOptions(kms.new_key(), kms.endpoint))
    planted = theirs.wrap(Secret(VALUE), b"a")
    theirs.close()
    with pytest.raises(DoesNotOpen):
        backend.unwrap(planted, b"a")
    with pytest.raises((DoesNotOpen, PermanentError)):  # moto says AccessDenied, KMS IncorrectKey
        backend.unwrap(Wrapped(backend.current(), planted.data), b"a")


def test_a_disabled_key_is_refused(kms: RunningKms, backend: KmsBackend) -> None:
    assert backend.status().works
    kms.client.disable_key(KeyId=kms.key.rpartition("/")[2])
    assert "the key is Disabled" in str(backend.status().works)


def test_credentials_that_may_not(kms: RunningKms, monkeypatch: pytest.MonkeyPatch) -> None:
    """As IAM decides it: a user who may encrypt and nothing else, and one whom AWS does not know."""
    kms.be_user(monkeypatch, "kms:Encrypt")
    denied = KmsBackend(KmsOptions(kms.key, kms.endpoint))
    with enable_iam_authentication():
        wrapped = denied.wrap(Secret(VALUE), b"a")
        with pytest.raises(PermanentError, match="AWS KMS refused") as refused:
            denied.unwrap(wrapped, b"a")
        assert refused.value.details.startswith("decrypt: ")
        assert "docs/keys.md" in refused.value.resolution
        status = denied.status()
        assert isinstance(status.works, Fails)
        assert "docs/keys.md" in status.works.advice
    denied.close()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0000000000000000")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with enable_iam_authentication():
        error = refusal(KmsOptions(kms.key, kms.endpoint))
    assert "AWS KMS refused" in error.brief


def test_rotation_does_not_use_up_the_rotations_kms_allows(kms: RunningKms, backend: KmsBackend) -> None:
    for _ in range(3):
        backend.begin_rotation(backend.current())
    assert len(kms.client.list_key_rotations(KeyId=kms.key)["Rotations"]) == 1


def test_a_key_that_is_not_there(kms: RunningKms) -> None:
    arn = kms.key.rpartition("/")[0] + "/00000000-0000-0000-0000-000000000000"
    error = refusal(KmsOptions(arn, kms.endpoint))
    assert isinstance(error, PermanentError)
    assert "NotFoundException" in error.details


def test_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    arn = "arn:aws:kms:eu-west-1:000000000000:key/ours"
    assert isinstance(refusal(KmsOptions(arn, "http://127.0.0.1:1")), TemporaryError)


@pytest.mark.parametrize("key", ["", "alias/ours", "arn:aws:kms:eu-west-1:0:alias/ours", "arn:aws:s3:::x"])
def test_only_an_arn_names_a_key(key: str) -> None:
    with pytest.raises(UsageError, match="is not the ARN"):
        KmsBackend(KmsOptions(key))


def test_without_boto3_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(PermanentError, match="is not installed") as caught:
        KmsBackend(KmsOptions("arn:aws:kms:eu-west-1:000000000000:key/ours"))
    assert "sealock[aws]" in caught.value.resolution


def refusal(options: KmsOptions) -> SealockError:
    backend = KmsBackend(options)
    with pytest.raises(SealockError) as caught:
        backend.wrap(Secret(VALUE), b"a")
    backend.close()
    assert "32 bytes" not in f"{caught.value}{caught.value.__cause__!r}"
    return caught.value
