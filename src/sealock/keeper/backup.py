"""A backup of the key sets under a passphrase of its own, and the way back.

It does not depend on any back end: it holds the seeds themselves, so that an installation whose Vault, KMS
key or key file is lost can be brought up with another. That makes it worth as much as the keys: who has it
and its passphrase opens everything sealed to the key sets of that day. Rotate the key sets to make an old
backup worthless.

Restoring never brings back what was destroyed here, and changes nothing if anything contradicts.
"""

from __future__ import annotations

import os
import time

from sealock.core.errors import PermanentError, UsageError
from sealock.core.sealed import DoesNotOpen, Owner, canonical
from sealock.core.secret import Secret
from sealock.keeper.backends import aead
from sealock.keeper.keysets import KeySets, owner_of, public_half
from sealock.keeper.records import (
    BackupContent,
    BackupFile,
    BackupSet,
    BackupVersion,
    KeySetRecord,
    KeyVersionRecord,
    OwnerRecord,
    parse,
    write,
)
from sealock.keeper.stretch import Cost, refuse_short, stretch

LONGEST_BACKUP = 256 * 1024 * 1024


def export(sets: KeySets, passphrase: Secret, cost: Cost | None = None) -> bytes:
    """Every key set, encrypted. UsageError if the passphrase is too short."""
    refuse_short(passphrase)
    cost = cost or Cost()
    file = BackupFile(
        salt=os.urandom(16), iterations=cost.iterations, memory=cost.memory, lanes=cost.lanes, data=b""
    )
    with sets.files.locked():
        content = BackupContent(
            created_at=time.time(),
            sets=tuple(_exported(sets, owner) for owner in sets.files.owners()),
            destroyed=tuple(_record(owner) for owner in sets.files.destroyed()),
        )
    with stretch(passphrase, file.salt, cost) as key, Secret(write(content)) as plain:
        return write(file.model_copy(update={"data": aead.encrypt(key, plain, _header(file))}))


def restore(sets: KeySets, backup: bytes, passphrase: Secret) -> list[Owner]:
    """Bring back what is not there, wrapped by the back end in use; returns whose key sets were changed.
    May be run again. UsageError for another passphrase or an altered backup; PermanentError, and nothing
    done, if a version is there with other keys."""
    content = _opened(backup, passphrase)
    with sets.files.locked():
        merged = [_merged(sets, each) for each in content.sets]
        for gone in content.destroyed:
            sets.files.destroy(Owner(gone.account, gone.project))
        changed = [record for record in merged if record is not None]
        for record in changed:
            sets.files.save(record)
    return [owner_of(record) for record in changed]


def _exported(sets: KeySets, owner: Owner) -> BackupSet:
    record = sets.files.load(owner)
    assert record is not None  # the lock is held
    return BackupSet(owner=record.owner, versions=tuple(_seed(sets, record, v) for v in record.versions))


def _seed(sets: KeySets, record: KeySetRecord, version: KeyVersionRecord) -> BackupVersion:
    with sets.seed(record, version) as seed:
        return BackupVersion(
            version=version.version, public=version.public, seed=seed.reveal(), created_at=version.created_at
        )


def _opened(backup: bytes, passphrase: Secret) -> BackupContent:
    if len(backup) > LONGEST_BACKUP:
        raise UsageError("the file is too long to be a backup of keys")
    file = parse(BackupFile, backup, "the backup")
    cost = Cost(file.iterations, file.memory, file.lanes)
    try:
        with (
            stretch(passphrase, file.salt, cost) as key,
            aead.decrypt(key, file.data, _header(file)) as plain,
        ):
            return parse(BackupContent, plain.reveal(), "the content of the backup")
    except DoesNotOpen as error:
        raise UsageError(
            "the backup does not open",
            details="The passphrase is another one, or the file was altered.",
            resolution="Try the passphrase again, or another copy of the file.",
        ) from error


def _merged(sets: KeySets, each: BackupSet) -> KeySetRecord | None:
    """The key set with what the backup has more. None if there is nothing more, or it was destroyed."""
    owner = Owner(each.owner.account, each.owner.project)
    if sets.files.is_destroyed(owner):
        return None
    there = sets.files.load(owner)
    versions = {version.version: version for version in (there.versions if there else ())}
    missing = [version for version in each.versions if version.version not in versions]
    for version in each.versions:
        if version.version in versions and versions[version.version].public != version.public:
            raise PermanentError(
                f"version {version.version} of the key set of {owner} is there with other keys",
                resolution="This backup is of another installation, or of one that went another way since.",
            )
    if not missing:
        return None
    for version in missing:
        versions[version.version] = _wrapped(sets, owner, version)
    return KeySetRecord(owner=each.owner, versions=tuple(versions[number] for number in sorted(versions)))


def _wrapped(sets: KeySets, owner: Owner, version: BackupVersion) -> KeyVersionRecord:
    with Secret(version.seed) as seed:
        if public_half(seed) != version.public:
            raise PermanentError("the backup contradicts itself", resolution="Take another copy of it.")
        return sets.wrap(owner, version.version, seed, 0, version.created_at)


def _record(owner: Owner) -> OwnerRecord:
    return OwnerRecord(account=owner.account, project=owner.project)


def _header(file: BackupFile) -> bytes:
    cost = (str(file.iterations), str(file.memory), str(file.lanes))
    return canonical(file.format, file.salt.hex(), *cost)
