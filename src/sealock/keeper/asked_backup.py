"""Backups as whoever keeps them makes them: the passphrase stays here, the keys stay at the keeper.

Argon2id makes a key of the passphrase, which goes to the keeper for this one backup; what comes back is
encrypted under it, part by part (`keeper.backup`), and is put into one file. The same way a backup goes back.
"""

from __future__ import annotations

import os

from sealock.core.errors import UsageError
from sealock.core.lease import KeeperAway
from sealock.core.sealed import Owner
from sealock.core.secret import Secret
from sealock.keeper.asked import Ask, ask_for
from sealock.keeper.key_messages import LONGEST_PART, BackedUp, BackUp, BackupCost, Restore, Restored
from sealock.keeper.records import BackupFile, OldBackupFile, parse, write
from sealock.keeper.stretch import Cost, refuse_short, stretch

LONGEST_BACKUP = 256 * 1024 * 1024


async def export(ask: Ask, passphrase: Secret, cost: Cost | None = None) -> bytes:
    """Every key set, encrypted. UsageError if the passphrase is too short."""
    refuse_short(passphrase)
    cost, salt = cost or Cost(), os.urandom(16)
    told = BackupCost(salt=salt, iterations=cost.iterations, memory=cost.memory, lanes=cost.lanes)
    with stretch(passphrase, salt, cost) as key:
        parts = await _parts(ask, told, key)
    return write(
        BackupFile(
            salt=salt, iterations=cost.iterations, memory=cost.memory, lanes=cost.lanes, parts=tuple(parts)
        )
    )


async def _parts(ask: Ask, cost: BackupCost, key: Secret) -> list[bytes]:
    parts: list[bytes] = []
    after: Owner | None = None
    while True:
        request = BackUp(cost=cost, key=key.reveal(), number=len(parts), after=after)
        reply = await ask_for(ask, request, BackedUp)
        parts.append(reply.data)
        if reply.after is None:
            return parts
        if reply.after == after:
            raise KeeperAway("it does not get on with the backup")
        after = reply.after


async def restore(ask: Ask, backup: bytes, passphrase: Secret) -> int:
    """Bring back what is not there, under the back end in use; for how many owners. May be run again.
    UsageError for another passphrase or an altered backup; PermanentError, and nothing done, if a version is
    there with other keys."""
    if len(backup) > LONGEST_BACKUP:
        raise UsageError("the file is too long to be a backup of keys")
    file = _read(backup)
    format_, parts = (1, (file.data,)) if isinstance(file, OldBackupFile) else (2, file.parts)
    if max(map(len, parts)) > LONGEST_PART:
        raise UsageError(
            "the backup is too long for one request to the keeper",
            details="It was made by a version that made one part of it.",
            resolution="Restore it with that version, then take a new one.",
        )
    told = BackupCost(salt=file.salt, iterations=file.iterations, memory=file.memory, lanes=file.lanes)
    with stretch(passphrase, file.salt, Cost(file.iterations, file.memory, file.lanes)) as key:
        requests = [
            Restore(
                format=1 if format_ == 1 else 2,
                cost=told,
                key=key.reveal(),
                number=number,
                last=number == len(parts) - 1,
                data=data,
                trial=True,
            )
            for number, data in enumerate(parts)
        ]
    for request in requests:  # all of them first: nothing is done if anything contradicts
        await ask_for(ask, request, Restored)
    done = [await ask_for(ask, each.model_copy(update={"trial": False}), Restored) for each in requests]
    return sum(each.owners for each in done)


def _read(backup: bytes) -> BackupFile | OldBackupFile:
    # Base64 has no spaces, so this is nobody's data.
    if b'"sealock keys backup 1"' in backup:
        return parse(OldBackupFile, backup, "the backup")
    return parse(BackupFile, backup, "the backup")
