"""Rotation of keys in the keeper, slice by slice; `keeper.asked_rotation` asks for one after the other.

`root`: the back end gets a new key, every key set is wrapped with it, the old key is destroyed.
`sets`: every owner gets a new version of its key set, every value is sealed to it, the old version is
destroyed.

The order is the same at both levels. What is new is made and used first; what is old stays readable until
nothing is left that needs it; only then is it destroyed. Values do not lie here: they are sent to be sealed
anew, and whoever sends them says when none is left that needs the old version; one that nobody speaks for is
kept. Each slice names the rotation
it is of, does nothing once that is over, and may be done twice.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sealock.core.errors import PermanentError, TemporaryError, UsageError
from sealock.core.keyring import Level
from sealock.core.release import KeyFact, RotationBegun, RotationEnded
from sealock.core.sealed import Owner, PublicKey, RetiredKey, Sealed
from sealock.keeper.journal import Journal
from sealock.keeper.keysets import KeySets
from sealock.keeper.records import JournalRecord
from sealock.keeper.sealing import seal

SLICE = 5.0
"""Seconds after which a slice does not begin with another key set: a request must end in time."""

Write = Callable[[Sequence[KeyFact]], None]


class Rotation:
    """Rotates the keys of an installation. What it does is written into the ledger first."""

    def __init__(
        self, sets: KeySets, journal: Journal, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sets = sets
        self._journal = journal
        self._clock = clock

    def begin(self, level: Level, by: str, write: Write) -> tuple[JournalRecord, bool]:
        """The rotation that is under way, and whether it was before: whichever that is, it is finished
        first."""
        with self._sets.files.locked():
            now = self._journal.read()
            if now.level is not None:
                return now, True
            key = self._sets.backends.current.current()
            write([RotationBegun(level, now.generation + 1, by)])
            return self._journal.begin(level, key), False

    def rewrap(self, generation: int, after: Owner | None) -> tuple[Owner | None, int]:
        """Wrap the key sets of the owners after `after` anew, as many as there is time for: the last of
        them, None if there is none after it, and how many."""
        backend, until = self._sets.backends.current, self._clock() + SLICE
        last, done = after, 0
        with self._under_way(generation, "root") as now:
            backend.begin_rotation(now.before or "")
        for owner in later(self._sets.files.owners(), after):
            if done and self._clock() >= until:
                return last, done
            with self._under_way(generation, "root"):
                self._sets.rewrap(owner, backend.current(), generation)
            last, done = owner, done + 1
        return None, done

    def renew(self, generation: int, owner: Owner) -> PublicKey | None:
        """What the owner's values are to be sealed to. None if its keys were destroyed."""
        self._see(generation, "sets")
        return self._sets.renew(owner, generation)

    def reseal(self, generation: int, values: Sequence[Sealed]) -> tuple[Sealed, ...]:
        """Values sealed to the newest version of their owner's key set. Nothing opened outlives this call."""
        self._see(generation, "sets")
        return tuple(self._resealed(old) for old in values)

    def drop_old(self, generation: int, owner: Owner, version: int) -> None:
        """Destroy the owner's versions below `version`, which is the newest."""
        self._see(generation, "sets")
        record = self._sets.files.load(owner)
        if record is None:
            return  # destroyed meanwhile
        newest = record.versions[-1]
        if (newest.version, newest.generation >= generation) != (version, True):
            raise UsageError(f"version {version} is not what this rotation made for {owner}")
        self._sets.drop_below(owner, version)

    def end(self, generation: int, by: str, write: Write) -> tuple[int, int, str]:
        """End the rotation: how many owners have new keys, how many have old ones still, and what became of
        the back end's old key, which is destroyed once nothing is wrapped by it."""
        # Under one lock, so that nothing is wrapped between the last look and the end of the old key.
        with self._under_way(generation) as now:
            level, keep = now.level or "root", self._sets.backends.current.current()
            owners, kept = self._sets.files.owners(), 0
            if level == "root":
                self._all_wrapped(owners, keep, generation)
            else:
                kept = sum(not self._is_renewed(owner, generation) for owner in owners)
            write([RotationEnded(level, generation, len(owners) - kept, kept, by)])
            told = self._end_root(keep) if level == "root" else ""
            self._journal.end()
            return len(owners) - kept, kept, told

    def _all_wrapped(self, owners: Sequence[Owner], keep: str, generation: int) -> None:
        for owner in owners:
            self._sets.rewrap(owner, keep, generation)
        if self._sets.backends.current.current() != keep:
            raise TemporaryError("the back end's key was rotated by somebody else at the same time")

    def _is_renewed(self, owner: Owner, generation: int) -> bool:
        record = self._sets.files.load(owner)
        return record is not None and all(version.generation >= generation for version in record.versions)

    def _end_root(self, keep: str) -> str:
        backends = self._sets.backends
        told = [backends.current.end_rotation(keep)]
        for leaving in backends.leaving:
            told.append(f"Nothing needs the key of {leaving.name} any more: unset it and destroy it.")
        return " ".join(told)

    def _resealed(self, old: Sealed) -> Sealed:
        try:
            with self._sets.open(old) as value:
                new = seal(old.name, value, self._sets.public_key(old.name.owner))
        except RetiredKey as error:  # this one will not come back
            raise PermanentError(f"{old.name} is sealed to a key that is gone") from error
        return Sealed(new.name, new.key_version, new.suite, new.data, old.created_at)

    def _see(self, generation: int, level: Level | None) -> JournalRecord:
        now = self._journal.read()
        if now.level is None or now.generation != generation or level not in (None, now.level):
            raise UsageError(
                "that rotation is over, or was never begun",
                resolution="`sealock keys rotate` begins one, or goes on with the one there is.",
            )
        return now

    @contextmanager
    def _under_way(self, generation: int, level: Level | None = None) -> Iterator[JournalRecord]:
        """With the lock that everything is wrapped under. UsageError if another rotation is under way."""
        with self._sets.files.locked():
            yield self._see(generation, level)


def later(owners: Sequence[Owner], after: Owner | None) -> Sequence[Owner]:
    """Those of `owners` that come after that one, in order."""
    ordered = sorted(owners, key=place)
    return ordered if after is None else ordered[bisect_right(ordered, place(after), key=place) :]


def place(owner: Owner) -> tuple[str, str]:
    """Where an owner stands among others."""
    return owner.account, owner.project or ""
