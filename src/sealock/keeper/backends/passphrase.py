"""Key-encryption keys in a file, under a key that Argon2id derives from a passphrase.

The passphrase is given at the start and is on no disk of this host; whoever steals the file has to guess
it at the price of a quarter of a gibibyte and about a second for each try. The derived key stays in memory
while the process runs. The file may hold two keys while they are rotated.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import RLock

from sealock.core.errors import PermanentError
from sealock.core.files import create_secret_file, make_private_directory, read_secret_file, write_whole
from sealock.core.sealed import DoesNotOpen, canonical
from sealock.core.secret import Secret
from sealock.keeper.backends import aead
from sealock.keeper.backends.port import BackendStatus, Wrapped
from sealock.keeper.backends.proof import prove
from sealock.keeper.kek import derive, identify
from sealock.keeper.records import PassphraseFile, PassphraseKey, parse, write
from sealock.keeper.stretch import KEY_LENGTH, Cost, refuse_short, stretch

PURPOSE = "wrap key sets"
LONGEST_FILE = 64 * 1024


class PassphraseBackend:
    """Key-encryption keys under a passphrase (`keeper.backends.port.Backend`)."""

    name = "passphrase"

    def __init__(self, path: Path, ask: Callable[[], Secret], cost: Cost | None = None) -> None:
        """path: the file of keys, made with the first wrap. ask: gives the passphrase, and is asked once,
        when it is first needed. cost: of a new file; an old one says its own."""
        self._path = path
        self._ask = ask
        self._cost = cost or Cost()
        self._derived: tuple[bytes, Secret] | None = None
        # What the file holds and what is derived for it must not change between two looks of one thread.
        self._turn = RLock()

    def current(self) -> str:
        """`passphrase:` and the id of the newest key."""
        return self._load().keys[-1].id

    def holds(self, key: str) -> bool:
        """Whether it is the id of a key under a passphrase."""
        return key.startswith("passphrase:")

    def wrap(self, value: Secret, associated: bytes) -> Wrapped:
        """Wrap with the newest key."""
        with self._turn:
            kept = self._load()
            with self._open(kept, kept.keys[-1]) as key, Secret(derive(key, f"purpose {PURPOSE}")) as subkey:
                return Wrapped(kept.keys[-1].id, aead.encrypt(subkey, value, associated))

    def unwrap(self, wrapped: Wrapped, associated: bytes) -> Secret:
        """The secret again, with whichever key wrapped it."""
        with self._turn:
            return self._unwrapped(wrapped, associated)

    def _unwrapped(self, wrapped: Wrapped, associated: bytes) -> Secret:
        kept = self._load()
        entry = next((key for key in kept.keys if key.id == wrapped.key), None)
        if entry is None:
            raise PermanentError(
                "a key set is wrapped by a key-encryption key that is not there",
                details=f"It is wrapped by {wrapped.key[:100]!r}, which is not in {self._path}.",
                resolution="Put that file back. If it is lost, `sealock keys restore` brings key sets back "
                "from their backup.",
            )
        with self._open(kept, entry) as key, Secret(derive(key, f"purpose {PURPOSE}")) as subkey:
            return aead.decrypt(subkey, wrapped.data, associated)

    def begin_rotation(self, before: str) -> str:
        """Add a new key to the file."""
        with self._turn:
            kept = self._load()
            if kept.keys[-1].id == before:
                kept = kept.model_copy(update={"keys": (*kept.keys, self._new_key(kept))})
                self._write(kept)
            return kept.keys[-1].id

    def end_rotation(self, keep: str) -> str:
        """Take every key but `keep` out of the file."""
        kept = self._load()
        remaining = tuple(key for key in kept.keys if key.id == keep)
        if remaining and remaining != kept.keys:
            self._write(kept.model_copy(update={"keys": remaining}))
        return "The old key was taken out of the file; copies of it need the same passphrase."

    def change_passphrase(self, new: Secret) -> None:
        """Put the same keys under another passphrase. Rotate afterwards if the old one became known:
        who has it and an old copy of the file has the keys. UsageError if it is too short."""
        refuse_short(new)
        with self._turn:
            self._put_under(new)

    def _put_under(self, new: Secret) -> None:
        kept, fresh = self._load(), self._empty()
        derived = _stretch(new, fresh)
        entries = []
        for entry in kept.keys:
            with self._open(kept, entry) as key:
                entries.append(_seal_key(fresh, derived, key))
        fresh = fresh.model_copy(update={"keys": tuple(entries)})
        self._write(fresh)
        self.close()
        self._derived = (fresh.salt, derived)

    def status(self) -> BackendStatus:
        """How many keys there are, and what a guess costs."""
        works = prove(self)
        if not works:
            return BackendStatus(self.name, "", works)
        kept = self._load()
        notes = [f"Argon2id: {kept.iterations} passes over {kept.memory // 1024} MiB"]
        if len(kept.keys) > 1:
            notes.append("a rotation is not finished: there are two keys")
        return BackendStatus(self.name, kept.keys[-1].id, works, tuple(notes))

    def close(self) -> None:
        """Forget what the passphrase came to; it is asked for again."""
        if self._derived is not None:
            self._derived[1].forget()
            self._derived = None

    def _load(self) -> PassphraseFile:
        with suppress(FileNotFoundError):
            return self._read()
        fresh = self._empty()
        with self._ask() as passphrase:
            refuse_short(passphrase)
            self._derived = (fresh.salt, _stretch(passphrase, fresh))
        create_secret_file(self._path, write(fresh.model_copy(update={"keys": (self._new_key(fresh),)})))
        return self._read()  # which may be another process's, made at the same time

    def _read(self) -> PassphraseFile:
        return parse(PassphraseFile, read_secret_file(self._path, longest=LONGEST_FILE), str(self._path))

    def _write(self, kept: PassphraseFile) -> None:
        make_private_directory(self._path.parent)
        try:
            write_whole(self._path, write(kept), 0o400)
        except OSError as error:
            raise PermanentError(f"cannot write {self._path}", details=str(error)) from error

    def _empty(self) -> PassphraseFile:
        cost = self._cost
        return PassphraseFile.model_construct(
            salt=os.urandom(16), iterations=cost.iterations, memory=cost.memory, lanes=cost.lanes, keys=()
        )

    def _new_key(self, kept: PassphraseFile) -> PassphraseKey:
        with Secret(os.urandom(KEY_LENGTH)) as key:
            return _seal_key(kept, self._under(kept), key)

    def _open(self, kept: PassphraseFile, entry: PassphraseKey) -> Secret:
        try:
            return aead.decrypt(self._under(kept), entry.data, _binding(kept, entry.id))
        except DoesNotOpen as error:
            self.close()
            raise PermanentError(
                "the passphrase of the key-encryption keys is wrong",
                details=f"…or {self._path} was altered: the two cannot be told apart.",
                resolution="Give the right passphrase, or restore the file from its backup.",
            ) from error

    def _under(self, kept: PassphraseFile) -> Secret:
        """What the passphrase comes to with this file's salt and cost."""
        if self._derived is None or self._derived[0] != kept.salt:
            with self._ask() as passphrase:
                self._derived = (kept.salt, _stretch(passphrase, kept))
        return self._derived[1]


def _stretch(passphrase: Secret, kept: PassphraseFile) -> Secret:
    return stretch(passphrase, kept.salt, Cost(kept.iterations, kept.memory, kept.lanes))


def _seal_key(kept: PassphraseFile, derived: Secret, key: Secret) -> PassphraseKey:
    name = f"passphrase:{identify(key)}"
    data = aead.encrypt(derived, key, _binding(kept, name))
    return PassphraseKey(id=name, data=data)


def _binding(kept: PassphraseFile, name: str) -> bytes:
    cost = (str(kept.iterations), str(kept.memory), str(kept.lanes))
    return canonical("sealock key under a passphrase v1", name, kept.salt.hex(), *cost)
