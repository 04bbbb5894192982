"""Sealed values: versions that are never used twice, kept, pinned, destroyed, and found again whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError, UsageError
from sealock.core.sealed import Kind, Owner, RetiredKey, Sealed, SealedName
from sealock.store.sealed import SealedFiles

PARSER, TEAM = Owner("team", "parser"), Owner("team")
Make = Callable[..., Sealed]


@pytest.fixture
def store(tmp_path: Path) -> SealedFiles:
    return SealedFiles(tmp_path / "sealed")


def make(version: int = 1, owner: Owner = PARSER, kind: Kind = Kind.VARIABLE, name: str = "TOKEN") -> Sealed:
    full = SealedName(owner.account, owner.project, kind, name, version)
    return Sealed(full, 1, "a-suite", f"sealed {full}".encode(), 1_700_000_000.0)


def test_the_newest_is_found_and_every_other_on_request(store: SealedFiles) -> None:
    one, two = make(1), make(2)
    for each in (one, two):
        store.put(each)
    assert store.get(PARSER, Kind.VARIABLE, "TOKEN") == two
    assert store.get(PARSER, Kind.VARIABLE, "TOKEN", 1) == one
    assert store.get(PARSER, Kind.VARIABLE, "TOKEN", 3) is None
    assert store.get(PARSER, Kind.VARIABLE, "OTHER") is None
    assert store.get(TEAM, Kind.VARIABLE, "TOKEN") is None


def test_a_megabyte_and_nothing(store: SealedFiles) -> None:
    for version, data in enumerate((b"", bytes(range(256)) * 4100), 1):
        sealed = replace(make(version), data=data)
        store.put(sealed)
        assert store.get(PARSER, Kind.VARIABLE, "TOKEN") == sealed


@pytest.mark.parametrize("version", [1, 3])
def test_versions_are_put_one_after_another(store: SealedFiles, version: int) -> None:
    store.put(make(1))
    with pytest.raises(UsageError, match="somebody else set"):
        store.put(make(version))
    assert store.get(PARSER, Kind.VARIABLE, "TOKEN") == make(1)


def test_a_destroyed_version_is_gone_and_its_number_too(store: SealedFiles, tmp_path: Path) -> None:
    store.put(make(1))
    store.put(make(2))
    store.destroy(make(2).name)
    assert store.get(PARSER, Kind.VARIABLE, "TOKEN") == make(1)
    assert store.get(PARSER, Kind.VARIABLE, "TOKEN", 2) is None
    assert store.next_version(PARSER, Kind.VARIABLE, "TOKEN") == 3
    told = store.versions(PARSER)
    assert [bool(version.destroyed_at) for version in told] == [False, True]
    content = (tmp_path / "sealed/team/parser/variable/TOKEN/2.json").read_text()
    assert json.loads(content)["data"] is None
    with pytest.raises(UsageError, match="there is no"):
        store.destroy(make(2).name)


def test_a_pinned_version_cannot_be_destroyed(store: SealedFiles) -> None:
    store.put(make(1))
    store.pin(make(1).name, True)
    with pytest.raises(UsageError, match="is kept for a restart"):
        store.destroy(make(1).name)
    assert store.reseal(make(1), replace(make(1), key_version=2, data=b"anew"))
    assert [version.pinned for version in store.versions(PARSER)] == [True]
    store.pin(make(1).name, False)
    store.destroy(make(1).name)
    with pytest.raises(UsageError, match="there is no"):
        store.pin(make(9).name, True)


def test_what_is_told_is_sorted_and_of_one_owner(store: SealedFiles) -> None:
    values = [
        make(1, kind=Kind.FILE),
        make(1, name="A"),
        make(2, name="A"),
        make(1, name="B"),
        make(1, owner=TEAM),
        make(1, owner=Owner("team", "printer")),
    ]
    for value in values:
        store.put(value)
    assert [version.name for version in store.versions(PARSER)] == [value.name for value in values[:4]]
    assert [version.name for version in store.versions(TEAM)] == [values[4].name]
    assert [version.name for version in store.versions(PARSER, Kind.FILE)] == [values[0].name]
    assert list(store.sealed_of(PARSER)) == values[:4]


def test_reseal_takes_the_place_of_exactly_what_was_seen(store: SealedFiles) -> None:
    store.put(make(1))
    anew = replace(make(1), key_version=2, data=b"anew")
    assert not store.reseal(replace(make(1), data=b"other"), anew)
    assert store.reseal(make(1), anew)
    assert not store.reseal(make(1), anew)
    assert store.get(PARSER, Kind.VARIABLE, "TOKEN") == anew
    store.destroy(make(1).name)
    assert not store.reseal(anew, replace(anew, key_version=3))


def test_what_is_sealed_to_a_retired_key_is_refused(store: SealedFiles) -> None:
    """It was sealed before a rotation, and arrives after it."""
    store.put(make(1))
    assert not store.retire(PARSER, 2)
    store.put(make(2))
    for each in (make(1), make(2)):
        assert store.reseal(each, replace(each, key_version=2))
    assert store.retire(PARSER, 2)
    with pytest.raises(RetiredKey):
        store.put(make(3))
    now = replace(make(3), key_version=2)
    store.put(now)
    with pytest.raises(RetiredKey):
        store.reseal(now, make(3))
    assert store.get(PARSER, Kind.VARIABLE, "TOKEN") == now
    assert store.retire(PARSER, 1)
    with pytest.raises(RetiredKey):
        store.put(make(4))
    store.put(make(1, owner=TEAM))


def test_an_owner_is_forgotten_whole(store: SealedFiles, tmp_path: Path) -> None:
    for owner in (PARSER, TEAM, Owner("others", "parser")):
        store.put(make(1, owner=owner))
    store.forget_owner(PARSER)
    assert not (tmp_path / "sealed/team/parser").exists()
    assert store.versions(TEAM)
    store.forget_owner(TEAM)
    assert not (tmp_path / "sealed/team").exists()
    assert store.versions(Owner("others", "parser"))
    store.forget_owner(TEAM)


def test_a_file_put_under_another_name_is_refused(store: SealedFiles, tmp_path: Path) -> None:
    store.put(make(1))
    store.put(make(2))
    place = tmp_path / "sealed/team/parser/variable/TOKEN"
    (place / "1.json").replace(place / "2.json")
    with pytest.raises(PermanentError, match="is of another value"):
        store.get(PARSER, Kind.VARIABLE, "TOKEN")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"format": 1', '"format": 2'),
        ('"version": 1', '"version": "1"'),
        ('"pinned": false', '"pinned": false, "extra": 1'),
        ('"pinned": false', '"pinned": false, "pinned": false'),
        ('"destroyed_at": null', '"destroyed_at": 1.0'),
        ('"suite": "a-suite"', '"suite": "Ä"'),
        ("}", ""),
        ("=", ""),
    ],
)
def test_a_record_out_of_shape_is_refused(
    store: SealedFiles, tmp_path: Path, before: str, after: str
) -> None:
    store.put(replace(make(1), data=b"1234"))
    path = tmp_path / "sealed/team/parser/variable/TOKEN/1.json"
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(PermanentError, match="cannot be read"):
        store.get(PARSER, Kind.VARIABLE, "TOKEN")


def test_files_are_ours_alone(store: SealedFiles, tmp_path: Path) -> None:
    store.put(make(1))
    for path in (tmp_path / "sealed").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_files_being_written_are_no_values(store: SealedFiles, tmp_path: Path) -> None:
    store.put(make(1))
    place = tmp_path / "sealed/team/parser/variable"
    (place / "TOKEN/.1.json.0123456789abcdef").write_text("half of")
    (place / ".half").mkdir()
    assert len(store.versions(PARSER)) == 1


def test_what_a_disk_refuses_is_told_as_an_error_of_ours(store: SealedFiles, tmp_path: Path) -> None:
    """Not as one of the system's, which whoever asks does not expect."""
    store.put(make(1))
    place = tmp_path / "sealed/team/parser/variable/TOKEN"
    (place / "2.json").mkdir()
    with pytest.raises(PermanentError, match=r"2\.json cannot be read or written"):
        store.get(PARSER, Kind.VARIABLE, "TOKEN")
    (place.parent / "FILE").write_text("no directory")
    with pytest.raises(PermanentError, match="FILE cannot be read or written"):
        store.versions(PARSER)
    lock = tmp_path / "sealed/.team.lock"
    lock.unlink()
    lock.symlink_to("elsewhere")
    with pytest.raises(PermanentError, match="lock cannot be read or written"):
        store.put(make(3))
