"""Rotation, level by level: old readable until done, then destroyed; nothing lost, nothing doubled."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError, UsageError
from sealock.core.release import RotationBegun, RotationEnded
from sealock.core.sealed import Kind, Owner, RetiredKey, Sealed, SealedName
from sealock.core.secret import Secret
from sealock.keeper import key_messages as keys
from sealock.keeper import rotation
from sealock.keeper.asked_rotation import alone
from sealock.keeper.backends.file import FileBackend
from sealock.keeper.backends.passphrase import PassphraseBackend
from sealock.keeper.sealing import seal
from sealock.keeper.stretch import Cost
from sealock.store.sealed import SealedFiles
from tests.support.keys import PARSER, PRINTER, Installation, files


class Killed(BaseException):
    """Stands for the process's end: nothing in between may catch it."""


@pytest.fixture
def ours(tmp_path: Path) -> Installation:
    made = Installation(tmp_path / "data")
    for owner in (PARSER, PRINTER, Owner("team")):
        for name in ("TOKEN", "PASSWORD"):
            for version in (1, 2):
                made.put(owner, name, f"{owner} {name} {version}".encode())
    return made


def wrapped_by(ours: Installation) -> set[str]:
    records = [ours.files.load(owner) for owner in ours.files.owners()]
    return {version.wrapped_by for record in records if record for version in record.versions}


def versions(ours: Installation) -> dict[Owner, list[int]]:
    """Of each owner's key set."""
    records = {owner: ours.files.load(owner) for owner in ours.files.owners()}
    return {
        owner: [version.version for version in record.versions] for owner, record in records.items() if record
    }


def test_key_sets(ours: Installation) -> None:
    values, old = ours.everything(), ours.store.get(PARSER, Kind.VARIABLE, "TOKEN")
    assert old is not None
    done = ours.rotate("sets")
    assert (done.owners, done.values, done.resumed) == (3, 12, False)
    assert ours.everything() == values
    assert set(map(tuple, versions(ours).values())) == {(2,)}
    with pytest.raises(RetiredKey):
        ours.sets.open(old)
    with pytest.raises(RetiredKey):
        ours.sets.open(replace(old, key_version=1))


def test_the_back_ends_key(ours: Installation) -> None:
    values, key = ours.everything(), ours.backend.current()
    done = ours.rotate("root")
    assert done.old_key
    assert ours.everything() == values
    assert wrapped_by(ours) == {ours.backend.current()} != {key}
    assert versions(ours) == {owner: [1] for owner in ours.files.owners()}


def test_both_again_and_again(ours: Installation) -> None:
    values = ours.everything()
    for round_ in range(1, 4):
        ours.rotate("root")
        ours.rotate("sets")
        assert ours.everything() == values
        assert set(map(tuple, versions(ours).values())) == {(round_ + 1,)}
    assert ours.journal.generation() == 6
    assert ours.journal.read().level is None


def test_pins_and_times_survive(ours: Installation) -> None:
    first = ours.store.versions(PARSER)[0]
    ours.store.pin(first.name, True)
    ours.rotate("sets")
    assert ours.store.versions(PARSER)[0] == replace(first, pinned=True)


def test_moving_to_another_back_end(ours: Installation) -> None:
    values, file = ours.everything(), ours.backend
    passphrase = PassphraseBackend(
        ours.directory / "keys" / "passphrase", lambda: Secret(b"correct horse battery"), Cost(1, 64, 1)
    )
    moved = Installation(ours.directory, passphrase, file)
    assert moved.everything() == values
    done = moved.rotate("root")
    assert "Nothing needs the key of file any more" in done.old_key
    assert wrapped_by(moved) == {passphrase.current()}
    (ours.directory / "keys" / "key-encryption-key").unlink()
    assert Installation(ours.directory, passphrase).everything() == values


def test_a_value_that_arrives_late_is_refused_and_sealed_again(ours: Installation) -> None:
    """Sealed to the key of before the rotation, put after it: without the refusal it would be lost."""
    key = ours.sets.public_key(PARSER)
    ours.rotate("sets")
    name = replace(ours.store.versions(PARSER)[0].name, name="LATE", version=1)
    with pytest.raises(RetiredKey):
        ours.store.put(seal(name, Secret(b"late"), key))
    ours.store.put(seal(name, Secret(b"late"), ours.sets.public_key(PARSER)))
    assert ours.get(name) == b"late"


def test_a_value_that_does_not_open_keeps_its_owners_keys_alive(ours: Installation) -> None:
    """…and stops nobody else's rotation. Destroying it lets the same rotation finish."""
    path = ours.directory / "sealed/team/parser/variable/TOKEN/1.json"
    sealed = ours.store.get(PARSER, Kind.VARIABLE, "TOKEN", 1)
    assert sealed is not None
    data = b64encode(sealed.data).decode()
    path.write_text(path.read_text().replace(data, b64encode(bytes(len(sealed.data))).decode()))
    with pytest.raises(PermanentError, match="could not be rotated") as caught:
        ours.rotate("sets")
    assert str(PARSER) in caught.value.details
    assert versions(ours) == {PARSER: [1, 2], PRINTER: [2], Owner("team"): [2]}
    path.write_text(path.read_text().replace(b64encode(bytes(len(sealed.data))).decode(), data))
    assert ours.get(sealed.name) == b"project parser TOKEN 1"
    assert ours.rotate("root").resumed
    assert versions(ours) == {PARSER: [2], PRINTER: [2], Owner("team"): [2]}


def test_a_value_whose_key_is_long_gone_is_named(ours: Installation) -> None:
    path = ours.directory / "sealed/team/parser/variable/TOKEN/1.json"
    kept = path.read_bytes()
    ours.rotate("sets")
    path.write_bytes(kept)
    with pytest.raises(PermanentError, match="could not be rotated") as caught:
        ours.rotate("sets")
    assert "sealed to a key that is gone" in caught.value.details


def test_one_at_a_time(ours: Installation) -> None:
    with alone(ours.directory / "rotation.lock"), pytest.raises(UsageError, match="being rotated already"):
        Installation(ours.directory).keyring.rotate("sets", ours.told.append)
    assert ours.keyring.rotate("sets", ours.told.append).owners == 3


def test_destroyed_owners_are_left_in_peace(ours: Installation) -> None:
    ours.sets.destroy(PRINTER)
    assert ours.rotate("sets").owners == 2
    assert not ours.files.load(PRINTER)


def ask(ours: Installation, request: keys.KeyRequest) -> object:
    return asyncio.run(ours.ask(request))


def test_an_end_before_its_time_destroys_nothing(ours: Installation) -> None:
    """A command that says all is done when it is not loses nothing by that."""
    values = ours.everything()
    ask(ours, keys.BeginRotation(level="sets"))
    ask(ours, keys.Renew(generation=1, owner=PARSER))
    with pytest.raises(UsageError, match="not what this rotation made"):
        ask(ours, keys.DropOld(generation=1, owner=PARSER, version=3))
    with pytest.raises(UsageError, match="not what this rotation made"):
        ask(ours, keys.DropOld(generation=1, owner=PRINTER, version=1))
    done = ask(ours, keys.EndRotation(generation=1))
    assert done == keys.RotationDone(owners=0, kept=3, old_key="")
    assert versions(ours) == {PARSER: [1, 2], PRINTER: [1], Owner("team"): [1]}
    assert ours.everything() == values
    assert ours.rotate("sets").kept == 0
    assert ours.everything() == values


def test_what_lies_on_another_host_keeps_its_keys(ours: Installation, tmp_path: Path) -> None:
    """Two hosts ask one keeper; neither may destroy what the other's values need."""
    values = ours.everything()
    there = Installation(ours.directory)
    there.store = SealedFiles(tmp_path / "there")
    other = Owner("team", "elsewhere")
    name = there.put(other, "TOKEN", b"on another host")
    done = ours.rotate("sets")
    assert (done.owners, done.kept) == (3, 1)
    assert there.get(name) == b"on another host"
    done = there.rotate("sets")
    assert (done.owners, done.kept, done.values) == (1, 3, 1)
    assert there.get(name) == b"on another host"
    assert ours.everything() == values
    assert versions(ours)[other] == [2]
    assert isinstance(ours.facts[-1], RotationEnded)


def test_the_last_look_wraps_what_no_slice_did(ours: Installation) -> None:
    values, key = ours.everything(), ours.backend.current()
    ask(ours, keys.BeginRotation(level="root"))
    ours.backend.begin_rotation(key)
    ask(ours, keys.EndRotation(generation=1))
    assert wrapped_by(ours) == {ours.backend.current()} != {key}
    assert ours.everything() == values


def test_nothing_is_done_for_a_rotation_that_is_over_or_is_another(ours: Installation) -> None:
    sealed = ours.store.get(PARSER, Kind.VARIABLE, "TOKEN", 1)
    assert sealed is not None
    ours.rotate("sets")
    kept = dict(files(ours.directory))
    slices: list[keys.KeyRequest] = []
    for generation in (1, 2):
        slices += [
            keys.Rewrap(generation=generation),
            keys.Renew(generation=generation, owner=PARSER),
            keys.Reseal(generation=generation, sealed=(sealed,)),
            keys.DropOld(generation=generation, owner=PARSER, version=2),
            keys.EndRotation(generation=generation),
        ]
    for request in slices:
        with pytest.raises(UsageError, match="that rotation is over"):
            ask(ours, request)
    assert dict(files(ours.directory)) == kept
    ask(ours, keys.BeginRotation(level="root"))
    with pytest.raises(UsageError, match="that rotation is over"):
        ask(ours, keys.Renew(generation=2, owner=PARSER))


def test_a_slice_ends_in_time_and_the_next_goes_on(
    ours: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "SLICE", 0.0)
    ours.rotate("root")
    assert [(told.done, told.of) for told in ours.told] == [(1, 3), (2, 3), (3, 3)]
    assert wrapped_by(ours) == {ours.backend.current()}


def test_owners_page_by_page(ours: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST_OWNERS", 1)
    assert ours.rotate("sets").values == 12
    assert [told.done for told in ours.told] == [1, 2, 3]
    assert set(map(tuple, versions(ours).values())) == {(2,)}


def test_begin_and_end_stand_in_the_ledger(ours: Installation) -> None:
    ours.rotate("root")
    ours.rotate("sets")
    assert ours.facts == [
        RotationBegun("root", 1, "tests"),
        RotationEnded("root", 1, 3, 0, "tests"),
        RotationBegun("sets", 2, "tests"),
        RotationEnded("sets", 2, 3, 0, "tests"),
    ]


def test_what_cannot_be_written_down_is_not_done(ours: Installation) -> None:
    def full(facts: object) -> None:
        raise OSError("the disk is full")

    kept = dict(files(ours.directory))
    for request in (keys.BeginRotation(level="root"), keys.DestroyKeys(owner=PARSER)):
        with pytest.raises(OSError, match="full"):
            ours.care.answer(request, "tests", full)
    assert dict(files(ours.directory)) == kept


def steps_of(ours: Installation, monkeypatch: pytest.MonkeyPatch, kill_at: int) -> Callable[[], int]:
    """Count every write of a rotation, and end the process instead of the `kill_at`-th."""
    count = 0

    def counted(written: object, name: str) -> None:
        original = getattr(written, name)

        def step(*args: object, **kwargs: object) -> object:
            nonlocal count
            count += 1
            if count == kill_at:
                raise Killed
            return original(*args, **kwargs)

        monkeypatch.setattr(written, name, step)

    for written, name in (
        (ours.files, "save"),
        (ours.journal, "_write"),
        (ours.store, "_write"),
        (ours.store._retired, "retire"),
        (ours.backend, "begin_rotation"),
        (ours.backend, "end_rotation"),
    ):
        counted(written, name)
    return lambda: count


@pytest.mark.parametrize("level", ["root", "sets"])
def test_killed_before_every_single_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    ours = Installation(tmp_path / "data")
    for owner in (PARSER, PRINTER):
        ours.put(owner, "TOKEN", str(owner).encode())
    values, kill_at = ours.everything(), 0
    before = versions(ours)
    while True:
        kill_at += 1
        with monkeypatch.context() as patch:
            dying = Installation(ours.directory)
            done = steps_of(dying, patch, kill_at)
            try:
                dying.rotate("root" if level == "root" else "sets")
            except Killed:
                assert done() == kill_at
                assert ours.everything() == values
            else:
                break
        finished = ours.rotate("root" if level == "root" else "sets")
        assert finished.level == level
        assert ours.everything() == values
        expected = {owner: [was[0] + 1] for owner, was in before.items()} if level == "sets" else before
        assert versions(ours) == expected
        before = versions(ours)
    assert kill_at > 6


def test_writers_during_a_rotation_lose_nothing(ours: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each value is sealed anew, somebody sets another one, with whatever key is current."""
    original = ours.store.reseal
    written: dict[SealedName, bytes] = {}

    def reseal(old: Sealed, new: Sealed) -> bool:
        if len(written) < 5:
            name = ours.put(old.name.owner, f"NEW{len(written)}", b"written meanwhile")
            written[name] = b"written meanwhile"
        return original(old, new)

    values = ours.everything()
    monkeypatch.setattr(ours.store, "reseal", reseal)
    ours.rotate("sets")
    assert ours.everything() == values | written
    assert len(written) == 5


def test_a_key_that_is_exchanged_between_two_writes_of_a_value(
    ours: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value set again while it is sealed anew: the newer one stays, both open."""
    original = ours.store.reseal
    named = ours.store.versions(PARSER)[0].name

    def reseal(old: Sealed, new: Sealed) -> bool:
        if old.name == named and old.key_version == 1:
            ours.store.destroy(named)
        return original(old, new)

    monkeypatch.setattr(ours.store, "reseal", reseal)
    values = ours.everything()
    ours.rotate("sets")
    del values[named]
    assert ours.everything() == values


def test_file_back_ends_key_is_on_the_disk_once(ours: Installation) -> None:
    ours.rotate("root")
    assert isinstance(ours.backend, FileBackend)
    names = sorted(path.name for path in (ours.directory / "keys").iterdir() if not path.name.startswith("."))
    assert names == ["key-encryption-key", "rotation.json", "sets"]
