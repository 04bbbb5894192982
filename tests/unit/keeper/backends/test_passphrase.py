"""Keys under a passphrase: the wrong one opens nothing, and the file alone is worth nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError, UsageError
from sealock.core.release import KeyFact, PassphraseChanged
from sealock.core.secret import Secret
from sealock.keeper.backends.passphrase import PassphraseBackend
from sealock.keeper.key_messages import ChangePassphrase
from sealock.keeper.stretch import Cost
from tests.support.keys import Installation

RIGHT, OTHER = b"correct horse battery", b"staple staple staple"
VALUE = b"32 bytes that are very secret..!"
Make = Callable[..., PassphraseBackend]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "key-encryption-keys"


@pytest.fixture
def make(path: Path) -> Make:
    def make(passphrase: bytes = RIGHT) -> PassphraseBackend:
        return PassphraseBackend(path, lambda: Secret(passphrase), Cost(1, 64, 1))

    return make


def test_a_wrong_passphrase_opens_nothing_and_changes_nothing(make: Make, path: Path) -> None:
    wrapped = make().wrap(Secret(VALUE), b"a")
    kept = path.read_bytes()
    wrong = make(OTHER)
    for attempt in (
        lambda: wrong.wrap(Secret(VALUE), b"a"),
        lambda: wrong.unwrap(wrapped, b"a"),
        lambda: wrong.change_passphrase(Secret(b"anything at all")),
    ):
        with pytest.raises(PermanentError, match="passphrase of the key-encryption keys is wrong"):
            attempt()
    assert not wrong.status().works
    assert path.read_bytes() == kept


def test_it_is_asked_once(path: Path) -> None:
    asked = []

    def ask() -> Secret:
        asked.append(1)
        return Secret(RIGHT)

    backend = PassphraseBackend(path, ask, Cost(1, 64, 1))
    for _ in range(3):
        backend.unwrap(backend.wrap(Secret(VALUE), b"a"), b"a").forget()
    assert len(asked) == 1
    backend.close()
    backend.wrap(Secret(VALUE), b"a")
    assert len(asked) == 2


def test_a_short_passphrase_is_refused_before_there_is_a_key(make: Make, path: Path) -> None:
    with pytest.raises(UsageError, match="shorter than 12 bytes"):
        make(b"hunter2").wrap(Secret(VALUE), b"a")
    assert not path.exists()


def test_another_passphrase_for_the_same_keys(make: Make) -> None:
    backend = make()
    wrapped = backend.wrap(Secret(VALUE), b"a")
    backend.change_passphrase(Secret(OTHER))
    assert backend.unwrap(wrapped, b"a").reveal() == VALUE
    assert make(OTHER).unwrap(wrapped, b"a").reveal() == VALUE
    with pytest.raises(PermanentError, match="is wrong"):
        make().unwrap(wrapped, b"a")


def test_the_file_holds_neither_the_passphrase_nor_a_key_in_the_open(make: Make, path: Path) -> None:
    make().wrap(Secret(VALUE), b"a")
    text = path.read_bytes()
    assert RIGHT not in text
    assert path.stat().st_mode & 0o777 == 0o400
    assert set(json.loads(text)) == {"format", "salt", "iterations", "memory", "lanes", "keys"}


@pytest.mark.parametrize(
    ("field", "value"),
    [("iterations", 2), ("memory", 72), ("lanes", 2), ("salt", "AAAAAAAAAAAAAAAAAAAAAA==")],
)
def test_an_altered_cost_or_salt_opens_nothing(make: Make, path: Path, field: str, value: object) -> None:
    wrapped = make().wrap(Secret(VALUE), b"a")
    _alter(path, field, value)
    with pytest.raises(PermanentError, match="is wrong"):
        make().unwrap(wrapped, b"a")


@pytest.mark.parametrize(
    ("field", "value"),
    [("memory", 2**40), ("iterations", 10**9), ("lanes", 4096), ("keys", []), ("salt", ""), ("new", 1)],
)
def test_a_cost_nobody_can_pay_is_refused_before_it_is_paid(
    make: Make, path: Path, field: str, value: object
) -> None:
    make().wrap(Secret(VALUE), b"a")
    _alter(path, field, value)
    with pytest.raises(PermanentError, match="cannot be read"):
        make().current()


def test_a_file_others_can_read_is_refused(make: Make, path: Path) -> None:
    make().wrap(Secret(VALUE), b"a")
    path.chmod(0o444)
    with pytest.raises(PermanentError, match="not safe to use"):
        make().current()


def _alter(path: Path, field: str, value: object) -> None:
    record = json.loads(path.read_bytes()) | {field: value}
    path.unlink()
    path.write_text(json.dumps(record))
    path.chmod(0o400)


def test_a_key_does_not_open_under_the_name_of_another(make: Make, path: Path) -> None:
    """With two of them there, as while they are rotated, one could be taken for the other."""
    backend = make()
    wrapped = backend.wrap(Secret(VALUE), b"a")
    backend.begin_rotation(backend.current())
    kept = json.loads(path.read_bytes())
    first, second = kept["keys"]
    kept["keys"] = [first | {"data": second["data"]}, second | {"data": first["data"]}]
    path.chmod(0o600)
    path.write_text(json.dumps(kept))
    for attempt in (lambda: make().unwrap(wrapped, b"a"), lambda: make().wrap(Secret(VALUE), b"a")):
        with pytest.raises(PermanentError, match="is wrong"):
            attempt()


def test_another_passphrase_is_written_down_before_it_is_set(make: Make, path: Path, tmp_path: Path) -> None:
    def full(_: Sequence[KeyFact]) -> None:
        raise PermanentError("the release ledger cannot be written")

    backend = make()
    ours = Installation(tmp_path / "data", backend)
    backend.wrap(Secret(VALUE), b"a")
    kept = path.read_bytes()
    with pytest.raises(PermanentError, match="ledger"):
        ours.care.answer(ChangePassphrase(new=OTHER), "tests", full)
    assert path.read_bytes() == kept
    ours.care.answer(ChangePassphrase(new=OTHER), "tests", ours.facts.extend)
    assert ours.facts == [PassphraseChanged("tests")]
    assert path.read_bytes() != kept
