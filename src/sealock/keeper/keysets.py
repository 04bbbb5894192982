"""Key sets: each account and each project has its own, and everything of theirs is sealed to it.

A version of a key set is one random seed of 32 bytes, wrapped by the back end. Out of the seed come, by
HKDF-SHA-256 with a purpose each, the private half of an X25519 pair, whose public half stands in the open,
and symmetric data keys. The wrap is bound to the owner, the version and the public half: with a public
half that was exchanged, the seed does not come out.

Nothing opened is kept: each opening asks the back end anew.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sealock.core.errors import PermanentError, SealockError
from sealock.core.sealed import DoesNotOpen, Owner, PublicKey, RetiredKey, Sealed, canonical
from sealock.core.secret import Secret
from sealock.keeper.backends.port import Backends, Wrapped
from sealock.keeper.keyset_files import KeySetFiles
from sealock.keeper.opening import open_sealed
from sealock.keeper.records import KeySetRecord, KeyVersionRecord, OwnerRecord

SEED_LENGTH = 32


class KeySets:
    """The key sets of an installation (`core.sealed.PublicKeys` and `core.sealed.Unsealer`)."""

    def __init__(self, files: KeySetFiles, backends: Backends, generation: Callable[[], int]) -> None:
        """generation: how many rotations there have been; new versions are marked with it."""
        self.files = files
        self.backends = backends
        self._generation = generation

    def public_key(self, owner: Owner) -> PublicKey:
        """What values of the owner are sealed to; made if there is none. PermanentError for an owner whose
        keys were destroyed."""
        record = self.files.load(owner) or self._create(owner)
        newest = record.versions[-1]
        return PublicKey(owner, newest.version, newest.public)

    def open(self, sealed: Sealed) -> Secret:
        """The value; the caller forgets it. DoesNotOpen; RetiredKey if it was sealed to a version that is
        gone, so that somebody who read it before a rotation reads it again; PermanentError if its owner's
        keys are not there."""
        record = self._need(sealed.name.owner)
        with self._private(record, sealed.key_version) as private:
            return open_sealed(private, sealed)

    def data_key(self, owner: Owner, purpose: str, version: int | None = None) -> tuple[int, Secret]:
        """A symmetric key of the owner for this purpose alone, 32 bytes, and the version of the key set it
        is of: the newest if none is given. The caller forgets it."""
        record = self._need(owner) if version else self.files.load(owner) or self._create(owner)
        wanted = version or record.versions[-1].version
        with self._seed(record, wanted) as seed:
            return wanted, Secret(derive(seed, f"data key {purpose}"))

    def destroy(self, owner: Owner) -> None:
        """Destroy the owner's keys for good: nothing that was ever sealed to them opens again. An
        account's go with those of all its projects."""
        with self.files.locked():
            self.files.destroy(owner)

    def renew(self, owner: Owner, generation: int) -> PublicKey | None:
        """Add a version of that generation, unless there is one; returns the newest. None if the owner has
        no keys any more."""
        with self.files.locked():
            record = self.files.load(owner)
            if record is None:
                return None
            if record.versions[-1].generation < generation:
                fresh = self._new_version(owner, record.versions[-1].version + 1, generation)
                record = _with(record, (*record.versions, fresh))
                self.files.save(record)
        newest = record.versions[-1]
        return PublicKey(owner, newest.version, newest.public)

    def drop_below(self, owner: Owner, version: int) -> None:
        """Destroy the versions below `version`. What is sealed to them does not open any more."""
        with self.files.locked():
            record = self.files.load(owner)
            if record is not None and record.versions[0].version < version:
                self.files.save(_with(record, tuple(v for v in record.versions if v.version >= version)))

    def rewrap(self, owner: Owner, key: str, generation: int) -> None:
        """Wrap every version anew with the back end's current key, unless it was wrapped by `key` since
        `generation`. Call it with the lock of the files held."""
        record = self.files.load(owner)
        if record is None:
            return
        versions = tuple(
            version
            if version.wrapped_by == key and version.wrap_generation >= generation
            else self._rewrapped(record, version)
            for version in record.versions
        )
        if versions != record.versions:
            self.files.save(_with(record, versions))

    def seed(self, record: KeySetRecord, version: KeyVersionRecord) -> Secret:
        """The secret of a version; the caller forgets it."""
        wrapped = Wrapped(version.wrapped_by, version.wrapped)
        return self.backends.unwrap(wrapped, _binding(owner_of(record), version.version, version.public))

    def wrap(self, owner: Owner, version: int, seed: Secret, generation: int, at: float) -> KeyVersionRecord:
        """A version's record out of its secret. Call it with the lock of the files held until it is kept,
        so that no rotation of the back end comes between."""
        public = public_half(seed)
        wrapped = self.backends.current.wrap(seed, _binding(owner, version, public))
        return KeyVersionRecord(
            version=version,
            public=public,
            wrapped_by=wrapped.key,
            wrapped=wrapped.data,
            generation=generation,
            wrap_generation=self._generation(),
            created_at=at,
        )

    def opens(self, record: KeySetRecord, version: KeyVersionRecord) -> bool:
        """Whether the secret of that version comes out. TemporaryError if the back end cannot say now."""
        try:
            self.seed(record, version).forget()
        except PermanentError:
            return False
        return True

    def missed_keys(self) -> list[SealockError]:
        """For each key of a back end that some key set was wrapped by and that is not to be had: why."""
        seen: dict[str, SealockError | None] = {}
        for record, version in self._versions():
            if version.wrapped_by not in seen:
                with suppress(DoesNotOpen):  # that record alone was altered
                    seen[version.wrapped_by] = self._missed(record, version)
        return [why for why in seen.values() if why is not None]

    def _versions(self) -> Iterator[tuple[KeySetRecord, KeyVersionRecord]]:
        for record in filter(None, map(self.files.load, self.files.owners())):
            for version in record.versions:
                yield record, version

    def _missed(self, record: KeySetRecord, version: KeyVersionRecord) -> SealockError | None:
        """Why the key that wrapped this version is not to be had; None if it is. DoesNotOpen."""
        try:
            self.seed(record, version).forget()
        except DoesNotOpen:
            raise
        except SealockError as error:
            return error
        return None

    def _create(self, owner: Owner) -> KeySetRecord:
        with self.files.locked():
            if self.files.is_destroyed(owner):
                raise _destroyed(owner)
            record = self.files.load(owner)
            if record is None:
                self._refuse_beside_lost_keys()
                first = self._new_version(owner, 1, self._generation())
                record = KeySetRecord(
                    owner=OwnerRecord(account=owner.account, project=owner.project), versions=(first,)
                )
                self.files.save(record)
            return record

    def _refuse_beside_lost_keys(self) -> None:
        """With the wrong key-encryption key in the place of the right one nothing new is made: it would be
        lost as soon as the right one is back. One owner's key set stands for all."""
        for owner in self.files.owners()[:1]:
            if (record := self.files.load(owner)) is None:
                continue
            with suppress(DoesNotOpen):
                if (why := self._missed(record, record.versions[-1])) is not None:
                    raise why

    def _new_version(self, owner: Owner, version: int, generation: int) -> KeyVersionRecord:
        with Secret(os.urandom(SEED_LENGTH)) as seed:
            return self.wrap(owner, version, seed, generation, time.time())

    def _rewrapped(self, record: KeySetRecord, version: KeyVersionRecord) -> KeyVersionRecord:
        with self.seed(record, version) as seed:
            return self.wrap(owner_of(record), version.version, seed, version.generation, version.created_at)

    def _need(self, owner: Owner) -> KeySetRecord:
        record = self.files.load(owner)
        if record is None:
            raise _destroyed(owner) if self.files.is_destroyed(owner) else _missing(owner)
        return record

    def _private(self, record: KeySetRecord, version: int) -> Secret:
        with self._seed(record, version) as seed:
            return private_half(seed)

    def _seed(self, record: KeySetRecord, wanted: int) -> Secret:
        found = next((version for version in record.versions if version.version == wanted), None)
        if found is None:
            raise RetiredKey
        return self.seed(record, found)


def owner_of(record: KeySetRecord) -> Owner:
    """Whose key set it is."""
    return Owner(record.owner.account, record.owner.project)


def private_half(seed: Secret) -> Secret:
    """The X25519 private key that comes out of a seed."""
    return Secret(derive(seed, "x25519 private key"))


def public_half(seed: Secret) -> bytes:
    """Its public half, 32 bytes."""
    with private_half(seed) as private:
        return X25519PrivateKey.from_private_bytes(private.reveal()).public_key().public_bytes_raw()


def derive(seed: Secret, purpose: str) -> bytes:
    """32 bytes out of a seed, for this purpose alone."""
    text = canonical("sealock key set seed v1", purpose)
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=text).derive(seed.reveal())


def _binding(owner: Owner, version: int, public: bytes) -> bytes:
    return owner.canonical() + canonical("sealock key set v1", str(version), public.hex())


def _with(record: KeySetRecord, versions: tuple[KeyVersionRecord, ...]) -> KeySetRecord:
    return record.model_copy(update={"versions": versions})


def _destroyed(owner: Owner) -> PermanentError:
    return PermanentError(
        f"the keys of {owner} were destroyed", details="What was sealed to them can never be opened again."
    )


def _missing(owner: Owner) -> PermanentError:
    return PermanentError(
        f"there is no key set of {owner}",
        resolution="Restore the keeper's keys from their backup: `sealock keys restore`.",
    )
