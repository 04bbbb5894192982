"""Rotation of keys, level by level. It may be killed at any point and run again; it may never lose a value.

`root`: the back end gets a new key, every key set is wrapped with it, the old key is destroyed.
`sets`: every owner gets a new version of its key set, every value is sealed to it, the old version is
destroyed.

The order is the same at both levels. What is new is made and used first; what is old stays readable until
nothing is left that needs it, which is looked at under the same lock that new writes take; only then is it
destroyed. A value that does not open keeps its owner's old version alive: rotation says so and goes on
with the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sealock.core.errors import PermanentError, SealockError, TemporaryError
from sealock.core.keyring import Level, Rotated
from sealock.core.sealed import Owner, PublicKey, RetiredKey, Sealed, SealedPlace
from sealock.keeper.journal import Journal
from sealock.keeper.keysets import KeySets
from sealock.keeper.sealing import seal

TRIES = 10
"""How often the values of one owner are gone through while others keep writing some."""


class Rotation:
    """Rotates the keys of an installation."""

    def __init__(
        self,
        sets: KeySets,
        journal: Journal,
        places: Sequence[SealedPlace],
        before_root: Callable[[], None] = lambda: None,
    ) -> None:
        """places: everywhere sealed values lie. before_root: called before the back end's old key is
        destroyed; raises if something else still needs it."""
        self._sets = sets
        self._journal = journal
        self._places = places
        self._before_root = before_root
        self._values = 0

    def run(self, level: Level) -> Rotated:
        """Rotate one level; or finish the rotation that is under way, whichever that is: then look at
        what was done and ask again. PermanentError names the owners that could not be rotated."""
        with self._journal.alone():
            with self._sets.files.locked():
                resumed = self._journal.read().level is not None
                now = self._journal.begin(level, self._sets.backends.current.current())
            self._values, old_key = 0, ""
            if now.level == "root":
                old_key = self._root(now.generation, now.before or "")
            else:
                self._all_sets(now.generation)
            with self._sets.files.locked():
                self._journal.end()
            return Rotated(now.level or level, resumed, len(self._sets.files.owners()), self._values, old_key)

    def _root(self, generation: int, before: str) -> str:
        backend = self._sets.backends.current
        self._before_root()
        backend.begin_rotation(before)
        for owner in self._sets.files.owners():
            with self._sets.files.locked():
                self._sets.rewrap(owner, backend.current(), generation)
        # Under one lock, so that nothing is wrapped between the last look and the end of the old key.
        with self._sets.files.locked():
            keep = backend.current()
            for owner in self._sets.files.owners():
                self._sets.rewrap(owner, keep, generation)
            if backend.current() != keep:
                raise TemporaryError("the back end's key was rotated by somebody else at the same time")
            return self._end_root(keep)

    def _end_root(self, keep: str) -> str:
        backends = self._sets.backends
        told = [backends.current.end_rotation(keep)]
        for leaving in backends.leaving:
            told.append(f"Nothing needs the key of {leaving.name} any more: unset it and destroy it.")
        return " ".join(told)

    def _all_sets(self, generation: int) -> None:
        failed = {}
        for owner in self._sets.files.owners():
            try:
                self._one_set(owner, generation)
            except TemporaryError:
                raise
            except SealockError as error:
                failed[owner] = error
        if failed:
            raise _unfinished(failed)

    def _one_set(self, owner: Owner, generation: int) -> None:
        to = self._sets.renew(owner, generation)
        if to is None:
            return  # destroyed meanwhile
        for _ in range(TRIES):
            for place in self._places:
                self._reseal_all(place, to)
            if all(place.retire(owner, to.version) for place in self._places):
                self._sets.drop_below(owner, to.version)
                return
        raise TemporaryError(f"values of {owner} are written faster than they are sealed anew")

    def _reseal_all(self, place: SealedPlace, to: PublicKey) -> None:
        for old in place.sealed_of(to.owner):
            if old.key_version < to.version and place.reseal(old, self._resealed(old, to)):
                self._values += 1

    def _resealed(self, old: Sealed, to: PublicKey) -> Sealed:
        try:
            with self._sets.open(old) as value:
                new = seal(old.name, value, to)
        except RetiredKey as error:  # rotations run alone, so this one will not come back
            raise PermanentError(f"{old.name} is sealed to a key that is gone") from error
        return Sealed(new.name, new.key_version, new.suite, new.data, old.created_at)


def _unfinished(failed: dict[Owner, SealockError]) -> PermanentError:
    told = [f"{owner}: {error.brief}" for owner, error in failed.items()]
    return PermanentError(
        f"the keys of {len(failed)} owners could not be rotated; their old ones are kept",
        details="\n".join(told[:20]),
        resolution="Set or destroy what does not open, and run `sealock keys rotate` again: it goes on.",
    )
