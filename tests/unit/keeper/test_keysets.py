"""Key sets: what is sealed to an owner opens with its keys alone, and with nothing once they are gone."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError, SealockError
from sealock.core.sealed import DoesNotOpen, Kind, Owner, PublicKey, RetiredKey, Sealed, SealedName
from sealock.core.secret import Secret
from sealock.keeper.backends.file import FileBackend
from sealock.keeper.sealing import new_pair, seal
from tests.support.keys import PARSER, PRINTER, Installation, files

VALUE = b"s3cret-canary-value"
Alter = Callable[[Callable[[dict[str, object]], None]], None]


@pytest.fixture
def ours(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "data")


@pytest.fixture
def alter(ours: Installation) -> Alter:
    """Change the newest version of the parser's key set as it lies in its file."""

    def alter(change: Callable[[dict[str, object]], None]) -> None:
        path = ours.files.directory / "team.parser.json"
        record = json.loads(path.read_bytes())
        change(record["versions"][-1])
        path.write_text(json.dumps(record))

    return alter


def sealed_for(ours: Installation, owner: Owner = PARSER) -> Sealed:
    name = SealedName(owner.account, owner.project, Kind.VARIABLE, "TOKEN", 1)
    return seal(name, Secret(VALUE), ours.sets.public_key(owner))


def test_what_is_sealed_opens(ours: Installation) -> None:
    for owner in (PARSER, PRINTER, Owner("team")):
        assert ours.sets.open(sealed_for(ours, owner)).reveal() == VALUE


def test_a_key_set_is_made_once(ours: Installation) -> None:
    first = ours.sets.public_key(PARSER)
    assert ours.sets.public_key(PARSER) == first
    assert Installation(ours.directory).sets.public_key(PARSER) == first
    assert ours.sets.public_key(PRINTER).key != first.key


def test_confidential_on_the_disk(ours: Installation) -> None:
    ours.put(PARSER, "TOKEN", VALUE)
    record = ours.files.load(PARSER)
    assert record is not None
    with ours.sets.seed(record, record.versions[0]) as seed:
        needles = [VALUE, seed.reveal()]
    for path, content in files(ours.directory):
        for needle in needles:
            for form in (needle, needle.hex().encode(), b64encode(needle)):
                assert form not in content, path


def test_moved_to_another_owner(ours: Installation) -> None:
    sealed = sealed_for(ours)
    ours.sets.public_key(PRINTER)
    moved = replace(sealed, name=replace(sealed.name, project="printer"))
    with pytest.raises(DoesNotOpen):
        ours.sets.open(moved)


def test_another_owners_key_set_in_its_place(ours: Installation) -> None:
    sealed = sealed_for(ours)
    ours.sets.public_key(PRINTER)
    directory = ours.files.directory
    shutil.copy(directory / "team.printer.json", directory / "team.parser.json")
    with pytest.raises(PermanentError, match="another owner's key set"):
        ours.sets.open(sealed)


def test_another_owners_key_set_under_our_name(ours: Installation) -> None:
    sealed = sealed_for(ours)
    ours.sets.public_key(PRINTER)
    text = (ours.files.directory / "team.printer.json").read_text()
    (ours.files.directory / "team.parser.json").write_text(text.replace("printer", "parser"))
    for each in (sealed, sealed_for(ours)):  # the second is sealed to what the attacker put there
        with pytest.raises(DoesNotOpen):
            ours.sets.open(each)


def test_integrity_of_the_wrapped_seed(ours: Installation, alter: Alter) -> None:
    sealed = sealed_for(ours)
    kept = (ours.files.directory / "team.parser.json").read_bytes()
    record = ours.files.load(PARSER)
    assert record is not None
    for position in range(len(record.versions[0].wrapped)):

        def flip(version: dict[str, object], position: int = position) -> None:
            data = bytearray(b64decode(str(version["wrapped"])))
            data[position] ^= 1
            version["wrapped"] = b64encode(data).decode()

        alter(flip)
        with pytest.raises(DoesNotOpen):
            ours.sets.open(sealed)
        (ours.files.directory / "team.parser.json").write_bytes(kept)
    assert ours.sets.open(sealed).reveal() == VALUE


@pytest.mark.parametrize("field", ["version", "generation", "public", "wrapped_by", "wrapped", "new"])
def test_a_record_out_of_shape_is_named(ours: Installation, alter: Alter, field: str) -> None:
    sealed = sealed_for(ours)
    alter(lambda version: version.update({field: -1}))
    with pytest.raises(PermanentError, match="cannot be read") as caught:
        ours.sets.open(sealed)
    assert field in caught.value.details


def test_a_version_that_was_renumbered_opens_nothing(ours: Installation, alter: Alter) -> None:
    sealed = sealed_for(ours)
    alter(lambda version: version.update(version=2))
    with pytest.raises(DoesNotOpen):
        ours.sets.open(replace(sealed, key_version=2))


def test_nor_does_its_seed_come_out_under_another_number(ours: Installation) -> None:
    """An older version, put in the place of a newer one, would have new secrets sealed to it."""
    ours.sets.public_key(PARSER)
    record = ours.files.load(PARSER)
    assert record is not None
    with pytest.raises(DoesNotOpen):
        ours.sets.seed(record, record.versions[0].model_copy(update={"version": 2}))


def test_an_exchanged_public_half_is_found_out(ours: Installation, alter: Alter) -> None:
    """Somebody who can write the record would otherwise have new secrets sealed to a key of theirs."""
    _, theirs = new_pair()
    before = sealed_for(ours)
    alter(lambda version: version.update(public=b64encode(theirs).decode()))
    for sealed in (before, sealed_for(ours)):
        with pytest.raises(DoesNotOpen):
            ours.sets.open(sealed)


def test_a_value_sealed_to_a_version_there_never_was(ours: Installation) -> None:
    sealed = sealed_for(ours)
    with pytest.raises(RetiredKey):
        ours.sets.open(replace(sealed, key_version=7))


def test_an_owner_without_keys(ours: Installation) -> None:
    name = SealedName("team", "parser", Kind.VARIABLE, "TOKEN", 1)
    sealed = seal(name, Secret(VALUE), PublicKey(PARSER, 1, new_pair()[1]))
    with pytest.raises(PermanentError, match="there is no key set"):
        ours.sets.open(sealed)


def test_data_keys_are_of_one_owner_purpose_and_version(ours: Installation) -> None:
    version, key = ours.sets.data_key(PARSER, "search")
    assert ours.sets.data_key(PARSER, "search", version)[1].reveal() == key.reveal()
    others = [ours.sets.data_key(PRINTER, "search"), ours.sets.data_key(PARSER, "other")]
    ours.put(PARSER, "TOKEN", b"value")
    ours.rotate("sets")
    others.append(ours.sets.data_key(PARSER, "search"))
    assert len({key.reveal(), *(other.reveal() for _, other in others)}) == 4
    with pytest.raises(RetiredKey):
        ours.sets.data_key(PARSER, "search", version)


def test_shredded_keys_open_no_old_ciphertext_and_no_old_backup_of_the_store(ours: Installation) -> None:
    """P13: the store is put back as it was; the keys were never in it."""
    name, other = ours.put(PARSER, "TOKEN", VALUE), ours.put(PRINTER, "TOKEN", VALUE)
    backup = shutil.copytree(ours.directory / "sealed", ours.directory.parent / "backup")
    ours.sets.destroy(PARSER)
    ours.store.forget_owner(PARSER)
    assert ours.store.get(PARSER, Kind.VARIABLE, "TOKEN") is None
    shutil.rmtree(ours.directory / "sealed")
    backup.rename(ours.directory / "sealed")
    with pytest.raises(PermanentError, match="were destroyed"):
        ours.get(name)
    with pytest.raises(PermanentError, match="were destroyed"):
        ours.sets.public_key(PARSER)
    assert ours.get(other) == VALUE
    assert not (ours.files.directory / "team.parser.json").exists()


def test_shredding_cut_short_is_shredding(ours: Installation) -> None:
    """Killed after the mark and before the removal; also an old key file put back does not help."""
    name = ours.put(PARSER, "TOKEN", VALUE)
    kept = (ours.files.directory / "team.parser.json").read_bytes()
    ours.sets.destroy(PARSER)
    (ours.files.directory / "team.parser.json").write_bytes(kept)
    with pytest.raises(PermanentError, match="were destroyed"):
        ours.get(name)
    assert ours.files.owners() == []


def test_an_accounts_projects_go_with_it(ours: Installation) -> None:
    names = [ours.put(owner, "TOKEN", VALUE) for owner in (PARSER, PRINTER, Owner("team"))]
    theirs = ours.put(Owner("others", "parser"), "TOKEN", VALUE)
    ours.sets.destroy(Owner("team"))
    for name in names:
        with pytest.raises(PermanentError, match="were destroyed"):
            ours.get(name)
    with pytest.raises(PermanentError, match="were destroyed"):
        ours.sets.public_key(Owner("team", "new"))
    assert ours.get(theirs) == VALUE


def test_fail_closed_without_the_back_end(ours: Installation) -> None:
    name = ours.put(PARSER, "TOKEN", VALUE)
    (ours.directory / "keys" / "key-encryption-key").unlink()
    with pytest.raises(SealockError):
        ours.get(name)


def test_a_back_end_that_is_not_configured_is_named(ours: Installation) -> None:
    name = ours.put(PARSER, "TOKEN", VALUE)
    path = ours.files.directory / "team.parser.json"
    path.write_text(path.read_text().replace("file:", "vault:transit/x:v"))
    with pytest.raises(PermanentError, match="does not have") as caught:
        ours.get(name)
    assert "vault:transit/x" in caught.value.details


def test_two_processes_make_one_key_set(ours: Installation) -> None:
    again = Installation(ours.directory, FileBackend(ours.directory / "keys" / "key-encryption-key"))
    assert ours.sets.public_key(PARSER) == again.sets.public_key(PARSER)


def test_beside_the_wrong_key_nothing_new_is_made(ours: Installation) -> None:
    name, key = ours.put(PARSER, "TOKEN", VALUE), ours.directory / "keys" / "key-encryption-key"
    right = key.rename(key.with_name("right"))
    for owner in (PRINTER, Owner("team")):
        with pytest.raises(PermanentError, match="a key-encryption key that is not there"):
            ours.sets.public_key(owner)
    assert ours.files.owners() == [PARSER]
    right.replace(key)
    ours.put(PRINTER, "TOKEN", VALUE)
    assert ours.get(name) == VALUE


def test_keys_that_are_missed_are_told_once_each(ours: Installation, alter: Alter) -> None:
    for owner in (PARSER, PRINTER):
        ours.put(owner, "TOKEN", VALUE)
    assert ours.sets.missed_keys() == []
    alter(lambda version: version.update(wrapped=b64encode(bytes(60)).decode()))
    assert ours.sets.missed_keys() == []  # what is wrong there is not the key
    (ours.directory / "keys" / "key-encryption-key").unlink()
    assert len(ours.sets.missed_keys()) == 1
