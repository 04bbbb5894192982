"""Rotation as whoever has the sealed values does it: asks the keeper for slice after slice of the work.

The slices are `keeper.rotation`'s. This opens nothing: values go to the keeper sealed and come back sealed,
and are put where they were. It may be killed at any point and run again, and so may the keeper; it may never
lose a value. Before an owner's old version is destroyed, every place where values lie has promised to take
none that is sealed to it any more. A value that does not open keeps its owner's old version alive: rotation
says so and goes on with the others. So does an owner of whom nothing lies here: their values may lie on
another host that asks the same keeper, and only who has them can have them sealed anew.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sealock.core.errors import PermanentError, SealockError, TemporaryError, UsageError
from sealock.core.files import make_private_directory
from sealock.core.keyring import Level, Progress, Rotated
from sealock.core.lease import KeeperAway, Refused
from sealock.core.project import Projects
from sealock.core.sealed import Owner, PublicKey, Sealed, SealedPlace
from sealock.keeper import key_messages as keys
from sealock.keeper.asked import Ask, ask_for
from sealock.keeper.asked_old_keys import adopt_old
from sealock.keeper.client import in_requests
from sealock.keeper.protocol import Done

TRIES = 10
"""How often the values of one owner are gone through while others keep writing some."""

Told = Callable[[Progress], None]


class AskedRotation:
    """Rotates the keys of an installation."""

    def __init__(self, ask: Ask, places: Sequence[SealedPlace], projects: Projects) -> None:
        """places: everywhere sealed values lie. projects: for keys from before there were key sets."""
        self._ask = ask
        self._places = places
        self._projects = projects
        self._values = 0

    async def run(self, level: Level, told: Told) -> Rotated:
        """Rotate one level; or finish the rotation that is under way, whichever that is: then look at what
        was done and ask again. PermanentError names the owners that could not be rotated."""
        self._values = 0
        begun = await ask_for(self._ask, keys.BeginRotation(level=level), keys.RotationUnderWay)
        if begun.level == "root":
            await self._root(begun, told)
        else:
            await self._sets(begun, told)
        done = await ask_for(self._ask, keys.EndRotation(generation=begun.generation), keys.RotationDone)
        return Rotated(begun.level, begun.resumed, done.owners, self._values, done.kept, done.old_key)

    async def _root(self, begun: keys.RotationUnderWay, told: Told) -> None:
        # They are sealed under the key that is going to be destroyed.
        await adopt_old(self._ask, self._projects)
        after, done = None, 0
        while True:
            request = keys.Rewrap(generation=begun.generation, after=after)
            reply = await ask_for(self._ask, request, keys.Rewrapped)
            done += reply.done
            told(Progress("root", done, max(done, begun.owners)))
            if reply.after is None:
                return
            if reply.after == after:
                raise KeeperAway("it does not get on with the rotation")
            after = reply.after

    async def _sets(self, begun: keys.RotationUnderWay, told: Told) -> None:
        failed: dict[Owner, SealockError] = {}
        done = 0
        async for owner in self._owners():
            try:
                if self._has_some(owner):
                    await self._one_set(owner, begun.generation)
            except (TemporaryError, Refused):
                raise
            except SealockError as error:
                failed[owner] = error
            done += 1
            told(Progress("sets", done, max(done, begun.owners)))
        if failed:
            raise _unfinished(failed)

    async def _owners(self) -> AsyncIterator[Owner]:
        after = None
        while True:
            page = await ask_for(self._ask, keys.AskOwners(after=after), keys.Owners)
            for owner in page.owners:
                yield owner
            if not page.more or not page.owners:
                return
            after = page.owners[-1]

    def _has_some(self, owner: Owner) -> bool:
        return any(True for place in self._places for _ in place.sealed_of(owner))

    async def _one_set(self, owner: Owner, generation: int) -> None:
        to = (await ask_for(self._ask, keys.Renew(generation=generation, owner=owner), keys.Renewed)).key
        if to is None:
            return  # destroyed meanwhile
        if to.owner != owner:
            raise KeeperAway("it answered something else than that owner's public key")
        for _ in range(TRIES):
            for place in self._places:
                await self._reseal_all(place, to, generation)
            if all(place.retire(owner, to.version) for place in self._places):
                drop = keys.DropOld(generation=generation, owner=owner, version=to.version)
                await ask_for(self._ask, drop, Done)
                return
        raise TemporaryError(f"values of {owner} are written faster than they are sealed anew")

    async def _reseal_all(self, place: SealedPlace, to: PublicKey, generation: int) -> None:
        for some in in_requests(old for old in place.sealed_of(to.owner) if old.key_version < to.version):
            for old, new in zip(some, await self._resealed(some, to, generation), strict=True):
                self._values += place.reseal(old, new)

    async def _resealed(self, some: Sequence[Sealed], to: PublicKey, generation: int) -> Sequence[Sealed]:
        request = keys.Reseal(generation=generation, sealed=tuple(some))
        found = (await ask_for(self._ask, request, keys.Resealed)).sealed
        sent = [(old.name, old.created_at, to.version) for old in some]
        if [(new.name, new.created_at, new.key_version) for new in found] != sent:
            raise KeeperAway("what it sealed is not what was sent")
        return found


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """One rotation at a time over the same places; the kernel lets go if its process ends. lock: a file for
    it. UsageError if there is one running."""
    make_private_directory(lock.parent)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _take(descriptor)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError("keys are being rotated already", resolution="Wait until that is done.") from error


def _unfinished(failed: dict[Owner, SealockError]) -> PermanentError:
    told = [f"{owner}: {error.brief}" for owner, error in failed.items()]
    return PermanentError(
        f"the keys of {len(failed)} owners could not be rotated; their old ones are kept",
        details="\n".join(told[:20]),
        resolution="Set or destroy what does not open, and run `sealock keys rotate` again: it goes on.",
    )
