"""Backups of keys: they open with their passphrase alone, and bring back nothing that was destroyed."""

from __future__ import annotations

import asyncio
import json
import shutil
from base64 import b64decode, b64encode
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError, SealockError, UsageError
from sealock.core.release import KeysBackedUp, KeysDestroyed, KeysRestored
from sealock.core.sealed import Owner, canonical
from sealock.core.secret import Secret
from sealock.keeper import backup as parts
from sealock.keeper import key_messages as keys
from sealock.keeper.asked_backup import export, restore
from sealock.keeper.backends import aead
from sealock.keeper.backends.passphrase import PassphraseBackend
from sealock.keeper.protocol import Reply, Request, encode_request
from sealock.keeper.records import BackupContent, OldBackupFile, write
from sealock.keeper.stretch import Cost, stretch
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
    return asyncio.run(export(ours.ask, Secret(PASSPHRASE), CHEAP))


def restored(ours: Installation, backup: bytes, passphrase: bytes = PASSPHRASE) -> int:
    return asyncio.run(restore(ours.ask, backup, Secret(passphrase)))


def test_everything_lost_but_the_store_and_the_backup(ours: Installation) -> None:
    values, backup = ours.everything(), exported(ours)
    shutil.rmtree(ours.directory / "keys")
    with pytest.raises(SealockError):
        ours.everything() or ours.get(next(iter(values)))
    assert restored(ours, backup) == 2
    assert ours.everything() == values
    assert restored(ours, backup) == 0


def test_the_key_file_lost_and_the_key_sets_still_there(ours: Installation) -> None:
    values, backup = ours.everything(), exported(ours)
    (ours.directory / "keys" / "key-encryption-key").unlink()
    with pytest.raises(PermanentError, match="that is not there"):
        ours.everything()
    assert restored(ours, backup) == 2
    assert ours.everything() == values
    assert restored(ours, backup) == 0
    ours.rotate("sets")
    assert ours.everything() == values


def test_under_another_back_end_and_the_key_sets_still_there(ours: Installation) -> None:
    values, backup = ours.everything(), exported(ours)
    place = ours.directory / "keys" / "passphrase"
    moved = Installation(
        ours.directory, PassphraseBackend(place, lambda: Secret(b"correct horse battery"), CHEAP)
    )
    assert restored(moved, backup) == 2
    assert moved.everything() == values


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
                assert form not in b64decode(outer["parts"][0])
        assert str(owner.project).encode() not in b64decode(outer["parts"][0])
    assert exported(ours) != backup


def test_another_passphrase_opens_nothing(ours: Installation) -> None:
    with pytest.raises(UsageError, match="the backup does not open"):
        restored(ours, exported(ours), b"another passphrase")


def test_a_short_passphrase_is_refused(ours: Installation) -> None:
    with pytest.raises(UsageError, match="shorter than"):
        asyncio.run(export(ours.ask, Secret(b"hunter2"), CHEAP))


def test_integrity(ours: Installation) -> None:
    backup, kept = exported(ours), dict(files(ours.directory))
    outer = json.loads(backup)
    data = b64decode(outer["parts"][0])
    altered = [outer | {"parts": [b64encode(data[:at] + b"\0" + data[at:]).decode()]} for at in (0, 40)]
    altered += [outer | {"parts": [b64encode(data[:-1]).decode()]}, outer | {"iterations": 2}]
    altered += [outer | {"salt": b64encode(bytes(16)).decode()}, outer | {"parts": [""]}]
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
    assert restored(ours, backup) == 0
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
    ours.rotate("sets")
    shutil.rmtree(ours.directory / "sealed")
    store.rename(ours.directory / "sealed")
    assert restored(ours, backup) == 2
    assert ours.everything() == values
    ours.rotate("sets")
    assert ours.everything() == values


def test_after_a_rotation_an_old_backup_opens_nothing_new(ours: Installation, tmp_path: Path) -> None:
    backup = exported(ours)
    ours.rotate("sets")
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


@pytest.fixture
def two_parts(ours: Installation, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """A backup of two parts, with an owner in each."""
    monkeypatch.setattr(parts, "OWNERS_A_PART", 1)
    made: dict[str, object] = json.loads(exported(ours))
    return made


def test_part_by_part(ours: Installation, two_parts: dict[str, object]) -> None:
    values = ours.everything()
    assert isinstance(two_parts["parts"], list)
    assert len(two_parts["parts"]) == 2
    assert ours.facts == [KeysBackedUp(0, 1, "tests"), KeysBackedUp(1, 1, "tests")]
    shutil.rmtree(ours.directory / "keys")
    ours.facts.clear()
    assert restored(ours, json.dumps(two_parts).encode()) == 2
    assert ours.everything() == values
    assert ours.facts == [KeysRestored(0, 1, "tests"), KeysRestored(1, 1, "tests")]


def test_no_part_can_be_left_out_moved_or_repeated(ours: Installation, two_parts: dict[str, object]) -> None:
    """Somebody who cannot open a backup could otherwise bring back less than all of it, unnoticed."""
    assert isinstance(two_parts["parts"], list)
    first, second = two_parts["parts"]
    shutil.rmtree(ours.directory / "keys")
    kept = dict(files(ours.directory))
    for changed in ([first], [second], [second, first], [first, first], [first, second, second]):
        with pytest.raises(UsageError, match="the backup does not open"):
            restored(ours, json.dumps(two_parts | {"parts": changed}).encode())
        assert _keys(dict(files(ours.directory))) == _keys(kept)


def test_a_contradiction_in_a_later_part_changes_nothing_before_it(
    ours: Installation, two_parts: dict[str, object]
) -> None:
    ours.files._path(PARSER, ".json").unlink()
    record, elsewhere = ours.files.load(PRINTER), Installation(ours.directory.parent / "elsewhere")
    elsewhere.put(PRINTER, "TOKEN", b"theirs")
    other = elsewhere.files.load(PRINTER)
    assert record is not None
    assert other is not None
    ours.files.save(record.model_copy(update={"versions": other.versions}))
    with pytest.raises(PermanentError, match="is there with other keys"):
        restored(ours, json.dumps(two_parts).encode())
    assert ours.files.owners() == [PRINTER]


def test_a_seed_that_is_not_the_keys_it_names_is_not_brought_back(ours: Installation) -> None:
    """Whoever can write a backup would else put keys they know in the place of lost ones."""
    cost = keys.BackupCost(salt=b"s" * 16, iterations=1, memory=64, lanes=1)
    honest = parts._exported(ours.sets, PARSER)
    known = honest.model_copy(
        update={"versions": tuple(v.model_copy(update={"seed": bytes(32)}) for v in honest.versions)}
    )
    content = BackupContent(created_at=1.0, sets=(known,), destroyed=())
    header = canonical("sealock keys backup 1", cost.salt.hex(), "1", "64", "1")
    with stretch(Secret(PASSPHRASE), cost.salt, CHEAP) as key:
        data = aead.encrypt(key, Secret(write(content)), header)
    forged = write(OldBackupFile(salt=cost.salt, iterations=1, memory=64, lanes=1, data=data))
    shutil.rmtree(ours.directory / "keys" / "sets")
    with pytest.raises(PermanentError, match="contradicts itself"):
        restored(ours, forged)
    assert ours.files.owners() == []


def test_a_backup_of_the_time_when_there_was_one_part(ours: Installation) -> None:
    values = ours.everything()
    cost = keys.BackupCost(salt=b"s" * 16, iterations=1, memory=64, lanes=1)
    sets = tuple(parts._exported(ours.sets, owner) for owner in ours.files.owners())
    content = BackupContent(created_at=1.0, sets=sets, destroyed=())
    header = canonical("sealock keys backup 1", cost.salt.hex(), "1", "64", "1")
    with stretch(Secret(PASSPHRASE), cost.salt, CHEAP) as key:
        data = aead.encrypt(key, Secret(write(content)), header)
    old = write(OldBackupFile(salt=cost.salt, iterations=1, memory=64, lanes=1, data=data))
    shutil.rmtree(ours.directory / "keys")
    assert restored(ours, old) == 2
    assert ours.everything() == values


def test_what_a_backup_destroys_stands_in_the_ledger(ours: Installation) -> None:
    ours.sets.destroy(PARSER)
    backup = exported(ours)
    shutil.rmtree(ours.directory / "keys")
    ours.facts.clear()
    restored(ours, backup)
    assert ours.facts == [KeysDestroyed("team", "parser", "tests"), KeysRestored(0, 1, "tests")]


def test_the_passphrase_does_not_go_to_the_keeper(ours: Installation) -> None:
    """Neither does what would tell it apart from others: only the key it comes to for this one backup."""
    sent: list[bytes] = []

    async def ask(request: Request) -> Reply:
        sent.append(encode_request(request))
        return await ours.ask(request)

    backup = asyncio.run(export(ask, Secret(PASSPHRASE), CHEAP))
    asyncio.run(restore(ask, backup, Secret(PASSPHRASE)))
    assert len(sent) == 3
    for spelling in (PASSPHRASE, b64encode(PASSPHRASE), PASSPHRASE.hex().encode()):
        assert not any(spelling in content for content in [*sent, backup])


def test_a_backups_key_is_not_shown_with_the_request() -> None:
    key = b"a key of thirty-two bytes, right"
    cost = keys.BackupCost(salt=b"s" * 16, iterations=1, memory=64, lanes=1)
    for request in (
        keys.BackUp(cost=cost, key=key, number=0),
        keys.Restore(format=2, cost=cost, key=key, number=0, last=True, data=b"", trial=True),
        keys.ChangePassphrase(new=key),
    ):
        assert "thirty-two" not in repr(request) + str(request)


def _keys(found: dict[Path, bytes]) -> dict[Path, bytes]:
    return {path: content for path, content in found.items() if path.suffix in {".json", ".destroyed"}}
