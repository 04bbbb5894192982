"""The keys of an installation for whoever looks after them (`core.keyring.Keyring`), by asking the keeper.

Nothing in this process opens a key or could: it has the sealed values, and the keeper has the keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeVar

from sealock.core.decision import Allowed, Denied
from sealock.core.keyring import KeyringStatus, Level, Rotated
from sealock.core.project import Projects
from sealock.core.sealed import Owner, SealedPlace
from sealock.core.secret import Secret
from sealock.keeper import key_messages as keys
from sealock.keeper.asked import Ask, ask_for
from sealock.keeper.asked_backup import export, restore
from sealock.keeper.asked_old_keys import adopt_old, old_projects
from sealock.keeper.asked_rotation import AskedRotation, Told, alone
from sealock.keeper.protocol import Done

T = TypeVar("T")

Asking = Callable[[], AbstractAsyncContextManager[Ask]]
"""Something to ask, which answers while the block is entered."""


class AskedKeyring:
    """`core.keyring.Keyring` and `core.sealed.KeyDestroyer`. Not to be called where an event loop runs."""

    def __init__(self, asking: Asking, places: Sequence[SealedPlace], projects: Projects, lock: Path) -> None:
        """places: everywhere sealed values lie. lock: a file that says who rotates."""
        self._asking = asking
        self._places = places
        self._projects = projects
        self._lock = lock

    def status(self) -> KeyringStatus:
        """How they are."""
        told = self._run(lambda ask: ask_for(ask, keys.AskKeys(), keys.Keys))
        return KeyringStatus(
            backend=told.backend,
            key=told.key,
            works=Denied(told.why) if told.why else Allowed(),
            advice=told.advice,
            notes=told.notes,
            owners=told.owners,
            destroyed=told.destroyed,
            old_projects=tuple(project.name for project in old_projects(self._projects)),
            unfinished=told.unfinished,
            root_rotated_at=told.root_rotated_at,
            sets_rotated_at=told.sets_rotated_at,
        )

    def rotate(self, level: Level, told: Told) -> Rotated:
        """Rotate one level, or finish what was cut short."""
        with alone(self._lock):
            return self._run(lambda ask: AskedRotation(ask, self._places, self._projects).run(level, told))

    def export(self, passphrase: Secret) -> bytes:
        """A backup of every key set. Keys from before there were any are sealed to theirs first: they would
        not be in it."""

        async def whole(ask: Ask) -> bytes:
            await adopt_old(ask, self._projects)
            return await export(ask, passphrase)

        return self._run(whole)

    def restore(self, backup: bytes, passphrase: Secret) -> int:
        """Bring back from a backup what is not there."""
        return self._run(lambda ask: restore(ask, backup, passphrase))

    def change_passphrase(self, new: Secret) -> None:
        """Another passphrase for the same keys."""
        self._run(lambda ask: ask_for(ask, keys.ChangePassphrase(new=new.reveal()), Done))

    def destroy(self, owner: Owner) -> None:
        """Destroy the owner's keys, for good."""
        self._run(lambda ask: ask_for(ask, keys.DestroyKeys(owner=owner), Done))

    def _run(self, asked: Callable[[Ask], Awaitable[T]]) -> T:
        async def with_one_to_ask() -> T:
            async with self._asking() as ask:
                return await asked(ask)

        return asyncio.run(with_one_to_ask())
