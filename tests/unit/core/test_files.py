"""Files that must be whole, and secret files that are refused when somebody else could have seen them."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError
from sealock.core.files import create_secret_file, move_over, read_secret_file, remove_whole, write_whole


def _names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "secret"


def test_a_secret_file_is_made_for_nobody_else(path: Path) -> None:
    assert create_secret_file(path, b"value")
    assert path.stat().st_mode & 0o777 == 0o400
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert read_secret_file(path, longest=5) == b"value"


def test_the_mode_does_not_depend_on_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        create_secret_file(path, b"value")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o400
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_secret_file_is_never_replaced(path: Path) -> None:
    create_secret_file(path, b"first")
    assert not create_secret_file(path, b"second")
    assert read_secret_file(path, longest=6) == b"first"
    assert _names(path.parent) == ["secret"]


def test_of_many_who_create_it_at_once_one_does(path: Path) -> None:
    won: list[bytes] = []

    def create(value: bytes) -> None:
        if create_secret_file(path, value):
            won.append(value)

    threads = [threading.Thread(target=create, args=(bytes([n]) * 32,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [read_secret_file(path, longest=32)]
    assert _names(path.parent) == ["secret"]


@pytest.mark.parametrize("mode", [0o404, 0o440, 0o420, 0o402, 0o410, 0o401, 0o644])
def test_a_file_that_others_may_touch_is_refused(path: Path, mode: int) -> None:
    create_secret_file(path, b"value")
    path.chmod(mode)
    with pytest.raises(PermanentError, match="not safe to use") as caught:
        read_secret_file(path, longest=5)
    assert "others may read or change it" in caught.value.details


def test_a_symbolic_link_is_refused(path: Path) -> None:
    create_secret_file(path, b"value")
    link = path.with_name("link")
    link.symlink_to(path)
    with pytest.raises(PermanentError, match="not safe to use"):
        read_secret_file(link, longest=5)


def test_a_pipe_in_its_place_does_not_hold_us_up(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    os.mkfifo(path, 0o400)
    with pytest.raises(PermanentError, match="not safe to use"):
        read_secret_file(path, longest=5)


def test_a_file_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_secret_file(path, b"value")
    path.parent.chmod(0o700)
    real = os.fstat

    def of_another(descriptor: int) -> os.stat_result:
        values = list(real(descriptor))
        values[4] = os.geteuid() + 1
        return os.stat_result(values)

    monkeypatch.setattr(os, "fstat", of_another)
    with pytest.raises(PermanentError) as caught:
        read_secret_file(path, longest=5)
    assert f"it belongs to user {os.geteuid() + 1}" in caught.value.details


def test_a_file_that_is_too_long_is_refused(path: Path) -> None:
    create_secret_file(path, b"longer than that")
    with pytest.raises(PermanentError, match="not safe to use"):
        read_secret_file(path, longest=5)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o720, 0o702])
def test_a_directory_that_others_may_change_is_refused(path: Path, mode: int) -> None:
    create_secret_file(path, b"value")
    path.parent.chmod(mode)
    with pytest.raises(PermanentError, match="can be changed by somebody else"):
        read_secret_file(path, longest=5)


def test_a_directory_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_secret_file(path, b"value")
    if os.geteuid() == 0:
        os.chown(path.parent, 4712, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(PermanentError, match="can be changed by somebody else"):
        read_secret_file(path, longest=5)


def test_a_secret_that_cannot_be_kept_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PermanentError, match="cannot make the secret file"):
        create_secret_file(path, b"value")
    assert _names(path.parent) == []


def test_a_missing_file_is_told_apart(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_secret_file(path, longest=5)


def test_a_whole_file_takes_the_place_of_the_old(tmp_path: Path) -> None:
    path = tmp_path / "record"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert _names(tmp_path) == ["record"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record"
    write_whole(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert _names(tmp_path) == ["record"]


def test_removing(tmp_path: Path) -> None:
    path = tmp_path / "record"
    write_whole(path, b"old")
    remove_whole(path)
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        remove_whole(path)


def test_a_new_name_is_on_the_disk_with_what_it_names(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a power cut leaves the old key in the place of the new one, or one that was removed."""
    flushed: list[Path] = []
    real = os.fsync

    def noting(descriptor: int) -> None:
        real(descriptor)
        flushed.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))  # noqa: PTH115 - no path of ours

    monkeypatch.setattr(os, "fsync", noting)
    elsewhere = path.parents[1] / "elsewhere"
    elsewhere.mkdir()
    for change in (
        lambda: create_secret_file(path, b"value"),
        lambda: write_whole(path, b"new"),
        lambda: move_over(path, elsewhere / "secret"),
        lambda: remove_whole(elsewhere / "secret"),
    ):
        flushed.clear()
        change()
        assert flushed[-1] == (path.parent if path.exists() else elsewhere)
