"""The key-encryption key: made once, kept for us alone, named by an id that tells nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealock.core.errors import PermanentError
from sealock.core.files import create_secret_file
from sealock.keeper.kek import FileKek


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "kek"


def test_it_is_made_once_and_found_again(path: Path) -> None:
    first = FileKek.load_or_create(path)
    kept = path.read_bytes()
    again = FileKek.load_or_create(path)
    assert first.id == again.id
    assert path.read_bytes() == kept
    assert len(kept) == 32
    assert path.stat().st_mode & 0o777 == 0o400


def test_no_two_are_alike(tmp_path: Path) -> None:
    keks = [FileKek.load_or_create(tmp_path / str(n) / "kek") for n in range(8)]
    assert len({kek.id for kek in keks}) == 8
    assert len({kek.path.read_bytes() for kek in keks}) == 8


def test_each_purpose_has_a_key_of_its_own(path: Path) -> None:
    kek = FileKek.load_or_create(path)
    one, two, again = kek.subkey("one"), kek.subkey("two"), kek.subkey("one")
    assert one.reveal() == again.reveal()
    assert len({one.reveal(), two.reveal(), path.read_bytes()}) == 3
    assert len(one.reveal()) == 32


def test_the_id_is_sixteen_hexadecimal_digits_and_shows_nothing_of_a_key(path: Path) -> None:
    kek = FileKek.load_or_create(path)
    assert len(bytes.fromhex(kek.id)) == 8
    assert bytes.fromhex(kek.id) not in path.read_bytes()
    assert kek.id not in kek.subkey("id").reveal().hex()


def test_it_does_not_print_the_key(path: Path) -> None:
    kek = FileKek.load_or_create(path)
    for text in (repr(kek), str(kek), repr(vars(kek)), repr(kek.subkey("one"))):
        assert path.read_bytes().hex() not in text
        assert repr(path.read_bytes())[2:-1] not in text


@pytest.mark.parametrize("length", [0, 1, 16, 31])
def test_a_key_that_is_too_short_is_refused(path: Path, length: int) -> None:
    create_secret_file(path, bytes(length))
    with pytest.raises(PermanentError, match="is not 32 bytes long"):
        FileKek.load_or_create(path)
    assert path.read_bytes() == bytes(length)


def test_a_key_that_is_too_long_is_refused(path: Path) -> None:
    create_secret_file(path, bytes(33))
    with pytest.raises(PermanentError, match="not safe to use"):
        FileKek.load_or_create(path)


def test_a_key_others_can_read_is_refused_and_not_replaced(path: Path) -> None:
    FileKek.load_or_create(path)
    kept = path.read_bytes()
    path.chmod(0o440)
    with pytest.raises(PermanentError, match="not safe to use"):
        FileKek.load_or_create(path)
    assert path.read_bytes() == kept


def test_a_link_is_refused_even_when_it_leads_nowhere(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.symlink_to(path.with_name("elsewhere"))
    with pytest.raises(PermanentError, match="not safe to use"):
        FileKek.load_or_create(path)
    assert not path.with_name("elsewhere").exists()


def test_a_missing_key_is_said_to_be_missing(path: Path) -> None:
    kek = FileKek.load_or_create(path)
    path.unlink()
    with pytest.raises(PermanentError, match="is missing"):
        kek.subkey("one")


def test_a_key_exchanged_under_us_is_noticed(path: Path, tmp_path: Path) -> None:
    kek = FileKek.load_or_create(path)
    other = FileKek.load_or_create(tmp_path / "other" / "kek")
    path.unlink()
    create_secret_file(path, other.path.read_bytes())
    with pytest.raises(PermanentError, match="was replaced while Sealock was running"):
        kek.subkey("one")
