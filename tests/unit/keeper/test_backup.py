"""Backups of keys: they open with their passphrase alone, and bring back nothing that was destroyed."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode, b64encode
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError, SealockError, UsageError
from sealock.core.sealed import Owner
from sealock.core.secret import Secret
from sealock.keeper.backends.passphrase import PassphraseBackend
from sealock.keeper.backup import export, restore
from sealock.keeper.stretch import Cost
from tests.support.keys import PARSER, PRINTER, Installation, files

PASSPHRASE = b"a passphrase for backups"
CHEAP = Cost(1, 64, 1)


@pytest.fixture
def ours(tmp_path: Path) -> Installation:
    made = Installation(tmp_path / "data")
    for owner in (PARSER, PRINTER):
        made.put(owner, "TOKEN", str(owner).encode())
    return made


def exported(ours: Installation) -> bytes:
    return export(ours.sets, Secret(PASSPHRASE), CHEAP)


def restored(ours: Installation, backup: bytes, passphrase: bytes = PASSPHRASE) -> list[Owner]:
    return restore(ours.sets, backup, Secret(passphrase))


def test_everything_lost_but_the_store_and_the_backup(ours: Installation) -> None:
    values, backup = ours.everything(), exported(ours)
    shutil.rmtree(ours.directory / "keys")
    with pytest.raises(SealockError):
        ours.everything() or ours.get(next(iter(values)))
    assert restored(ours, backup) == [PARSER, PRINTER]
    assert ours.everything() == values
    assert restored(ours, backup) == []


def test_under_another_back_end(ours: Installation) -> None:
    values, backup = ours.everything(), exported(ours)
    shutil.rmtree(ours.directory / "keys")
    other = PassphraseBackend(
        ours.directory / "keys" / "passphrase", lambda: Secret(b"correct horse battery"), CHEAP
    )
    moved = Installation(ours.directory, other)
    restored(moved, backup)
    assert moved.everything() == values


def test_confidential(ours: Installation) -> None:
    backup = exported(ours)
    outer = json.loads(backup)
    for owner in (PARSER, PRINTER):
        record = ours.files.load(owner)
        assert record is not None
        with ours.sets.seed(record, record.versions[0]) as seed:
            for form in (seed.reveal(), b64encode(seed.reveal())):
                assert form not in backup
                assert form not in b64decode(outer["data"])
        assert str(owner.project).encode() not in b64decode(outer["data"])
    assert exported(ours) != backup


def test_another_passphrase_opens_nothing(ours: Installation) -> None:
    with pytest.raises(UsageError, match="the backup does not open"):
        restored(ours, exported(ours), b"another passphrase")


def test_a_short_passphrase_is_refused(ours: Installation) -> None:
    with pytest.raises(UsageError, match="shorter than"):
        export(ours.sets, Secret(b"hunter2"), CHEAP)


def test_integrity(ours: Installation) -> None:
    backup, kept = exported(ours), dict(files(ours.directory))
    outer = json.loads(backup)
    data = b64decode(outer["data"])
    altered = [outer | {"data": b64encode(data[:at] + b"\0" + data[at:]).decode()} for at in (0, 40)]
    altered += [outer | {"data": b64encode(data[:-1]).decode()}, outer | {"iterations": 2}]
    altered += [outer | {"salt": b64encode(bytes(16)).decode()}, outer | {"data": ""}]
    for record in altered:
        with pytest.raises(UsageError, match="the backup does not open"):
            restored(ours, json.dumps(record).encode())
    for broken in (b"", b"{}", backup[:-10], json.dumps(outer | {"memory": 2**40}).encode(), b"\xff"):
        with pytest.raises(PermanentError, match="the backup cannot be read"):
            restored(ours, broken)
    assert dict(files(ours.directory)) == kept


def test_what_was_destroyed_here_stays_destroyed(ours: Installation) -> None:
    values, backup = ours.everything(), exported(ours)
    ours.sets.destroy(PARSER)
    assert restored(ours, backup) == []
    assert ours.files.owners() == [PRINTER]
    name = next(name for name in values if name.owner == PARSER)
    with pytest.raises(PermanentError, match="were destroyed"):
        ours.get(name)


def test_what_was_destroyed_before_the_backup_comes_back_destroyed(ours: Installation) -> None:
    ours.sets.destroy(PARSER)
    backup = exported(ours)
    shutil.rmtree(ours.directory / "keys")
    restored(ours, backup)
    assert ours.files.destroyed() == [PARSER]
    with pytest.raises(PermanentError, match="were destroyed"):
        ours.sets.public_key(PARSER)


def test_a_store_from_before_a_rotation_opens_with_the_backup_of_that_day(ours: Installation) -> None:
    values, backup = ours.everything(), exported(ours)
    store = shutil.copytree(ours.directory / "sealed", ours.directory.parent / "store")
    ours.rotation.run("sets")
    shutil.rmtree(ours.directory / "sealed")
    store.rename(ours.directory / "sealed")
    assert restored(ours, backup) == [PARSER, PRINTER]
    assert ours.everything() == values
    ours.rotation.run("sets")
    assert ours.everything() == values


def test_after_a_rotation_an_old_backup_opens_nothing_new(ours: Installation, tmp_path: Path) -> None:
    backup = exported(ours)
    ours.rotation.run("sets")
    thief = Installation(tmp_path / "thief")
    restored(thief, backup)
    shutil.copytree(ours.directory / "sealed", thief.directory / "sealed")
    with pytest.raises(SealockError):
        thief.everything()


def test_a_backup_of_another_installation_changes_nothing(ours: Installation, tmp_path: Path) -> None:
    other = Installation(tmp_path / "other")
    for owner in (PARSER, PRINTER, Owner("team", "a")):
        other.put(owner, "TOKEN", b"theirs")
    kept = dict(files(ours.directory))
    with pytest.raises(PermanentError, match="is there with other keys"):
        restored(ours, exported(other))
    assert dict(files(ours.directory)) == kept
