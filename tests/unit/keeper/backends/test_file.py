"""The key in a file, above all between the beginning and the end of a rotation."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealock.core.errors import PermanentError
from sealock.core.secret import Secret
from sealock.keeper.backends.file import FileBackend
from sealock.keeper.kek import FileKek

VALUE = b"32 bytes that are very secret..!"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "key-encryption-key"


def test_it_is_the_key_that_was_there(path: Path) -> None:
    kek = FileKek.load_or_create(path)
    assert FileBackend(path).current() == f"file:{kek.id}"


def test_the_old_key_is_gone_in_the_end(path: Path) -> None:
    backend = FileBackend(path)
    before = backend.current()
    old = path.read_bytes()
    after = backend.begin_rotation(before)
    assert path.read_bytes() == old
    backend.end_rotation(after)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() != old
    assert path.stat().st_mode & 0o777 == 0o400


def test_a_rotation_that_ends_between_finding_a_key_and_reading_it_loses_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = FileBackend(path)
    after = backend.begin_rotation(backend.current())
    with Secret(VALUE) as value:
        wrapped = backend.wrap(value, b"")
    find = backend._find

    def slowly(key: str) -> FileKek:
        found = find(key)
        backend.end_rotation(after)
        return found

    monkeypatch.setattr(backend, "_find", slowly)
    with backend.unwrap(wrapped, b"") as opened:
        assert opened.reveal() == VALUE


def test_a_next_key_that_was_exchanged_does_not_become_the_key(path: Path, tmp_path: Path) -> None:
    backend = FileBackend(path)
    after = backend.begin_rotation(backend.current())
    FileKek.load_or_create(tmp_path / "other" / "key").path.replace(path.with_name(f"{path.name}.next"))
    kept = path.read_bytes()
    with pytest.raises(PermanentError, match="is not the key that this rotation made"):
        backend.end_rotation(after)
    assert path.read_bytes() == kept


def test_an_unfinished_rotation_is_told(path: Path) -> None:
    backend = FileBackend(path)
    backend.begin_rotation(backend.current())
    assert "a rotation is not finished: there are two keys" in backend.status().notes


def test_a_key_others_can_read_wraps_and_unwraps_nothing(path: Path) -> None:
    backend = FileBackend(path)
    wrapped = backend.wrap(Secret(VALUE), b"a")
    path.chmod(0o440)
    with pytest.raises(PermanentError, match="not safe to use"):
        backend.wrap(Secret(VALUE), b"a")
    with pytest.raises(PermanentError, match="not safe to use"):
        backend.unwrap(wrapped, b"a")
    assert "not safe to use" in str(backend.status().works)


def test_a_lost_key_is_called_lost_and_its_wraps_stay(path: Path) -> None:
    backend = FileBackend(path)
    wrapped = backend.wrap(Secret(VALUE), b"a")
    kept = path.read_bytes()
    path.unlink()
    with pytest.raises(PermanentError, match="a key-encryption key that is not there"):
        backend.unwrap(wrapped, b"a")
    FileKek.load_or_create(path)
    with pytest.raises(PermanentError, match="a key-encryption key that is not there"):
        backend.unwrap(wrapped, b"a")
    path.unlink()
    path.write_bytes(kept)
    path.chmod(0o400)
    assert backend.unwrap(wrapped, b"a").reveal() == VALUE
