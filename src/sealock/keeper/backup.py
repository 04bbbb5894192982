"""Backups of the key sets, part by part, and the way back; `keeper.asked_backup` puts the parts together.

A backup does not depend on any back end: it holds the seeds themselves, so that an installation whose
Vault, KMS key or key file is lost can be brought up with another. That makes it worth as much as the keys:
who has it and its passphrase opens everything sealed to the key sets of that day. Rotate the key sets to
make an old backup worthless.

The passphrase does not come here: the command makes a key of it, and parts leave encrypted under that. Each
part is bound to its number and to whether it is the last, so that none can be left out. Restoring never
brings back what was destroyed here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sealock.core.errors import PermanentError, UsageError
from sealock.core.release import KeyFact, KeysBackedUp, KeysDestroyed, KeysRestored
from sealock.core.sealed import DoesNotOpen, Owner, canonical
from sealock.core.secret import Secret
from sealock.keeper.backends import aead
from sealock.keeper.key_messages import BackUp, BackupCost, Restore
from sealock.keeper.keysets import KeySets, owner_of, public_half
from sealock.keeper.records import (
    BackupContent,
    BackupSet,
    BackupVersion,
    KeySetRecord,
    KeyVersionRecord,
    OwnerRecord,
    parse,
    write,
)
from sealock.keeper.rotation import later

OWNERS_A_PART = 64
"""So few that a slow back end opens their keys within a request's deadline."""

Write = Callable[[Sequence[KeyFact]], None]


def export_part(sets: KeySets, asked: BackUp, by: str, write_down: Write) -> tuple[bytes, Owner | None]:
    """The next part, encrypted, and the last owner in it; None if there is none after it."""
    with sets.files.locked():
        owners, destroyed = sets.files.owners(), sets.files.destroyed()
        rest = later([*owners, *destroyed], asked.after)
        here = rest[:OWNERS_A_PART]
        content = BackupContent(
            created_at=time.time(),
            sets=tuple(_exported(sets, owner) for owner in here if owner in set(owners)),
            destroyed=tuple(_record(owner) for owner in here if owner in set(destroyed)),
        )
    last = len(rest) <= OWNERS_A_PART
    with Secret(asked.key) as key, Secret(write(content)) as plain:
        data = aead.encrypt(key, plain, _bound_to(2, asked.cost, asked.number, last))
    write_down([KeysBackedUp(asked.number, len(content.sets), by)])
    return data, None if last else here[-1]


def restore_part(sets: KeySets, asked: Restore, by: str, write_down: Write) -> int:
    """Bring back what is not there, wrapped by the back end in use; for how many owners. May be done again.
    UsageError for another passphrase or an altered part; PermanentError, and nothing done, if a version is
    there with other keys."""
    content = _opened(asked)
    with sets.files.locked():
        missing = [found for each in content.sets if (found := _missing(sets, each)) is not None]
        if asked.trial:
            return len(missing)
        gone = [Owner(each.account, each.project) for each in content.destroyed]
        gone = [owner for owner in gone if not sets.files.is_destroyed(owner)]
        facts: list[KeyFact] = [KeysDestroyed(owner.account, owner.project or "", by) for owner in gone]
        if missing:
            facts.append(KeysRestored(asked.number, len(missing), by))
        write_down(facts)
        for owner in gone:
            sets.files.destroy(owner)
        back = [each for each in missing if not sets.files.is_destroyed(_owner(each))]
        for each in back:
            sets.files.save(_merged(sets, each))
    return len(back)


def _exported(sets: KeySets, owner: Owner) -> BackupSet:
    record = sets.files.load(owner)
    assert record is not None  # the lock is held
    return BackupSet(owner=record.owner, versions=tuple(_seed(sets, record, v) for v in record.versions))


def _seed(sets: KeySets, record: KeySetRecord, version: KeyVersionRecord) -> BackupVersion:
    with sets.seed(record, version) as seed:
        return BackupVersion(
            version=version.version, public=version.public, seed=seed.reveal(), created_at=version.created_at
        )


def _opened(asked: Restore) -> BackupContent:
    bound_to = _bound_to(asked.format, asked.cost, asked.number, asked.last)
    try:
        with Secret(asked.key) as key, aead.decrypt(key, asked.data, bound_to) as plain:
            return parse(BackupContent, plain.reveal(), "the content of the backup")
    except DoesNotOpen as error:
        raise UsageError(
            "the backup does not open",
            details="The passphrase is another one, or the file was altered.",
            resolution="Try the passphrase again, or another copy of the file.",
        ) from error


def _missing(sets: KeySets, each: BackupSet) -> BackupSet | None:
    """What the backup has more of a key set, or has whole: a version whose key-encryption key is lost is not
    there. None if that is nothing, or the keys were destroyed here."""
    owner = _owner(each)
    if sets.files.is_destroyed(owner):
        return None
    there = sets.files.load(owner)
    versions = there.versions if there else ()
    publics = {version.version: version.public for version in versions}
    for version in each.versions:
        with Secret(version.seed) as seed:
            if public_half(seed) != version.public:
                raise PermanentError("the backup contradicts itself", resolution="Take another copy of it.")
        if publics.get(version.version, version.public) != version.public:
            raise PermanentError(
                f"version {version.version} of the key set of {owner} is there with other keys",
                resolution="This backup is of another installation, or of one that went another way since.",
            )
    opens = {version.version for version in versions if there and sets.opens(there, version)}
    more = tuple(version for version in each.versions if version.version not in opens)
    return each.model_copy(update={"versions": more}) if more else None


def _merged(sets: KeySets, missing: BackupSet) -> KeySetRecord:
    owner = _owner(missing)
    there = sets.files.load(owner)
    versions = {version.version: version for version in (there.versions if there else ())}
    for version in missing.versions:
        with Secret(version.seed) as seed:
            versions[version.version] = sets.wrap(owner, version.version, seed, 0, version.created_at)
    record = KeySetRecord(owner=missing.owner, versions=tuple(versions[at] for at in sorted(versions)))
    assert owner_of(record) == owner
    return record


def _owner(each: BackupSet) -> Owner:
    return Owner(each.owner.account, each.owner.project)


def _record(owner: Owner) -> OwnerRecord:
    return OwnerRecord(account=owner.account, project=owner.project)


def _bound_to(format_: int, cost: BackupCost, number: int, last: bool) -> bytes:
    """What a part is encrypted with, so that it opens in its place alone."""
    told = (cost.salt.hex(), str(cost.iterations), str(cost.memory), str(cost.lanes))
    where = (str(number), "last" if last else "") if format_ == 2 else ()
    return canonical(f"sealock keys backup {format_}", *told, *where)
