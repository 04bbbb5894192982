"""Every back end of the key-encryption key keeps one contract, after the barrier tests of OpenBao.

Vault is a strict fake of its published API, KMS is moto's server; both listen on loopback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError
from sealock.core.sealed import DoesNotOpen
from sealock.core.secret import Secret
from sealock.keeper.backends.file import FileBackend
from sealock.keeper.backends.kms import KmsBackend
from sealock.keeper.backends.options import KmsOptions, VaultOptions
from sealock.keeper.backends.passphrase import PassphraseBackend
from sealock.keeper.backends.port import Backend, Backends, Wrapped
from sealock.keeper.backends.vault import VaultBackend
from sealock.keeper.stretch import Cost
from tests.support.kms import CREDENTIALS, running_kms
from tests.support.vault import running_vault

VALUE = b"32 bytes that are very secret..!"
CHEAP = Cost(iterations=1, memory=64, lanes=1)


@dataclass
class Subject:
    """make: a back end with these keys, as another process would find them; make_other: one with those of
    another installation. destroys: whether ending a rotation destroys the old key."""

    make: Callable[[], Backend]
    make_other: Callable[[], Backend]
    destroys: bool = True
    made: list[Backend] = field(default_factory=list)

    @cached_property
    def backend(self) -> Backend:
        return self.again()

    def again(self) -> Backend:
        self.made.append(self.make())
        return self.made[-1]

    def other(self) -> Backend:
        self.made.append(self.make_other())
        return self.made[-1]


@pytest.fixture
def file_subject(tmp_path: Path) -> Subject:
    def make(where: str = "keys") -> Backend:
        return FileBackend(tmp_path / where / "key-encryption-key")

    return Subject(make, lambda: make("other"))


@pytest.fixture
def passphrase_subject(tmp_path: Path) -> Subject:
    def make(where: str = "keys") -> Backend:
        return PassphraseBackend(tmp_path / where / "keys", lambda: Secret(b"correct horse battery"), CHEAP)

    return Subject(make, lambda: make("other"))


@pytest.fixture
def vault_subject(tmp_path: Path) -> Iterator[Subject]:
    with running_vault(tmp_path / "one") as one, running_vault(tmp_path / "two") as two:

        def make(running: object = one) -> Backend:
            server = two if running is two else one
            return VaultBackend(
                VaultOptions(
                    server.address, "sealock", server.token_file, ca_certificate=server.ca_certificate
                )
            )

        yield Subject(make, lambda: make(two))


@pytest.fixture
def kms_subject(monkeypatch: pytest.MonkeyPatch) -> Iterator[Subject]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with running_kms() as kms:

        def make(key: str = kms.key) -> Backend:
            return KmsBackend(KmsOptions(key, kms.endpoint))

        yield Subject(make, lambda: make(kms.new_key()), destroys=False)


@pytest.fixture(
    params=["file", "passphrase", "vault", pytest.param("kms", marks=pytest.mark.slow)],
)
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    found: Subject = request.getfixturevalue(f"{request.param}_subject")
    yield found
    for backend in found.made:
        backend.close()


def test_what_is_wrapped_comes_out_also_for_another_process(subject: Subject) -> None:
    wrapped = subject.backend.wrap(Secret(VALUE), b"a")
    assert wrapped.key == subject.backend.current()
    assert subject.backend.holds(wrapped.key)
    for backend in (subject.backend, subject.again()):
        assert backend.unwrap(wrapped, b"a").reveal() == VALUE


def test_confidential_and_unique(subject: Subject) -> None:
    wrapped = [subject.backend.wrap(Secret(VALUE), b"a").data for _ in range(10)]
    assert len(set(wrapped)) == 10
    assert not any(VALUE in data or VALUE.hex().encode() in data for data in wrapped)


def test_integrity(subject: Subject) -> None:
    wrapped = subject.backend.wrap(Secret(VALUE), b"a")
    for position in range(0, len(wrapped.data), 3):
        flipped = bytearray(wrapped.data)
        flipped[position] ^= 1
        with pytest.raises((DoesNotOpen, PermanentError)):
            subject.backend.unwrap(Wrapped(wrapped.key, bytes(flipped)), b"a")


def test_wrong_lengths(subject: Subject) -> None:
    wrapped = subject.backend.wrap(Secret(VALUE), b"a")
    data = wrapped.data
    for other in (b"", data[:1], data[: len(data) // 2], data[:-4], data + b"AAAA", data * 2):
        with pytest.raises((DoesNotOpen, PermanentError)):
            subject.backend.unwrap(Wrapped(wrapped.key, other), b"a")


@pytest.mark.parametrize("other", [b"", b"b", b"a\0", b"aa"])
def test_moved_to_another_binding(subject: Subject, other: bytes) -> None:
    wrapped = subject.backend.wrap(Secret(VALUE), b"a")
    with pytest.raises(DoesNotOpen):
        subject.backend.unwrap(wrapped, other)


def test_another_installations_keys_open_nothing(subject: Subject) -> None:
    other = subject.other()
    wrapped = subject.backend.wrap(Secret(VALUE), b"a")
    for key in (wrapped.key, other.current()):
        with pytest.raises((DoesNotOpen, PermanentError)):
            Backends(other).unwrap(Wrapped(key, wrapped.data), b"a")


def test_a_key_that_is_not_ours_is_not_looked_for(subject: Subject) -> None:
    for key in (
        "",
        "none",
        "file",
        "kms:arn:aws:kms:eu-west-1:000000000000:key/theirs",
        "vault:transit/x:v1",
    ):
        assert not subject.backend.holds(key)


def test_rotation_keeps_the_old_readable_until_its_end(subject: Subject) -> None:
    before = subject.backend.current()
    old = subject.backend.wrap(Secret(VALUE), b"a")
    after = subject.backend.begin_rotation(before)
    assert subject.again().begin_rotation(before) == after == subject.backend.current()
    new = subject.backend.wrap(Secret(VALUE), b"a")
    assert new.key == after
    for backend in (subject.backend, subject.again()):
        assert [backend.unwrap(each, b"a").reveal() for each in (old, new)] == [VALUE, VALUE]
    assert subject.backend.end_rotation(after)
    assert subject.again().end_rotation(after)
    assert subject.again().unwrap(new, b"a").reveal() == VALUE
    if subject.destroys:
        assert before != after
        for backend in (subject.backend, subject.again()):
            with pytest.raises(PermanentError):
                backend.unwrap(old, b"a")


def test_a_rotation_that_is_asked_for_again_begins_anew(subject: Subject) -> None:
    keys = [subject.backend.current()]
    for _ in range(3):
        keys.append(subject.backend.begin_rotation(keys[-1]))
        subject.backend.end_rotation(keys[-1])
    assert len(set(keys)) == (4 if subject.destroys else 1)


def test_status_shows_the_key_and_that_it_works(subject: Subject) -> None:
    status = subject.backend.status()
    assert status.works
    assert (status.name, status.key) == (subject.backend.name, subject.backend.current())
