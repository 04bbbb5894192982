"""What the keeper does to keys when an operator asks (`keeper.desk_parts.Care`).

Each answer is a slice of work. What changes or discloses keys is written into the ledger before it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sealock.core.decision import Allowed
from sealock.core.errors import PermanentError, UsageError
from sealock.core.release import KeyFact, KeysDestroyed, PassphraseChanged
from sealock.core.secret import Secret
from sealock.keeper import key_messages as keys
from sealock.keeper.backends.passphrase import PassphraseBackend
from sealock.keeper.backends.port import Fails
from sealock.keeper.backends.proof import fails
from sealock.keeper.backup import export_part, restore_part
from sealock.keeper.journal import Journal
from sealock.keeper.kek import FileKek
from sealock.keeper.keysets import KeySets
from sealock.keeper.migration import adopt
from sealock.keeper.protocol import Done
from sealock.keeper.rotation import Rotation, later
from sealock.keeper.stretch import refuse_short

Write = Callable[[Sequence[KeyFact]], None]

_RotationRequest = (
    keys.BeginRotation | keys.Rewrap | keys.Renew | keys.Reseal | keys.DropOld | keys.EndRotation
)


class KeyCare:
    """Looks after the key sets of an installation."""

    def __init__(self, sets: KeySets, journal: Journal, old_kek: Callable[[], FileKek]) -> None:
        """old_kek: gives the key-encryption key in its file, asked for keys from before there were key
        sets only."""
        self._sets = sets
        self._journal = journal
        self._old_kek = old_kek
        self._rotation = Rotation(sets, journal)

    def answer(self, request: keys.KeyRequest, by: str, write: Write) -> keys.KeyReply | Done:
        """As `keeper.desk_parts.Care`."""
        reply: keys.KeyReply | Done
        match request:
            case keys.AskKeys():
                reply = self._keys()
            case keys.AskOwners():
                reply = self._owners(request)
            case keys.DestroyKeys():
                reply = self._destroy(request, by, write)
            case keys.Adopt():
                reply = self._adopt(request)
            case keys.BackUp():
                data, after = export_part(self._sets, request, by, write)
                reply = keys.BackedUp(data=data, after=after)
            case keys.Restore():
                reply = keys.Restored(owners=restore_part(self._sets, request, by, write))
            case keys.ChangePassphrase():
                reply = self._change_passphrase(request, by, write)
            case _:
                reply = self._rotate(request, by, write)
        return reply

    def _rotate(self, request: _RotationRequest, by: str, write: Write) -> keys.KeyReply | Done:
        rotation = self._rotation
        reply: keys.KeyReply | Done
        match request:
            case keys.BeginRotation():
                reply = self._begin(request, by, write)
            case keys.Rewrap():
                after, done = rotation.rewrap(request.generation, request.after)
                reply = keys.Rewrapped(after=after, done=done)
            case keys.Renew():
                reply = keys.Renewed(key=rotation.renew(request.generation, request.owner))
            case keys.Reseal():
                reply = keys.Resealed(sealed=rotation.reseal(request.generation, request.sealed))
            case keys.DropOld():
                rotation.drop_old(request.generation, request.owner, request.version)
                reply = Done()
            case keys.EndRotation():
                owners, kept, told = rotation.end(request.generation, by, write)
                reply = keys.RotationDone(owners=owners, kept=kept, old_key=told)
        return reply

    def _keys(self) -> keys.Keys:
        backends, journal = self._sets.backends, self._journal.read()
        backend = backends.current.status()
        works = self._works(backend.works)
        leaving = [f"still reading what {each.name} wrapped" for each in backends.leaving]
        return keys.Keys(
            backend=backend.name,
            key=backend.key,
            why=works.reason if isinstance(works, Fails) else "",
            advice=works.advice if isinstance(works, Fails) else "",
            notes=(*backend.notes, *leaving),
            owners=len(self._sets.files.owners()),
            destroyed=len(self._sets.files.destroyed()),
            unfinished=journal.level,
            root_rotated_at=journal.root_rotated_at,
            sets_rotated_at=journal.sets_rotated_at,
        )

    def _works(self, backend: Allowed | Fails) -> Allowed | Fails:
        """Whether the back end does, and has every key that it once had."""
        if isinstance(backend, Allowed) and (missed := self._sets.missed_keys()):
            return fails(missed[0])
        return backend

    def _owners(self, request: keys.AskOwners) -> keys.Owners:
        found = later(self._sets.files.owners(), request.after)
        return keys.Owners(owners=tuple(found[: keys.MOST_OWNERS]), more=len(found) > keys.MOST_OWNERS)

    def _destroy(self, request: keys.DestroyKeys, by: str, write: Write) -> Done:
        owner = request.owner
        if not self._sets.files.is_destroyed(owner):
            write([KeysDestroyed(owner.account, owner.project or "", by)])
        self._sets.destroy(owner)  # again, if it was: a crash may have left the file beside its mark
        return Done()

    def _adopt(self, request: keys.Adopt) -> keys.Resealed:
        try:
            return keys.Resealed(sealed=(adopt(request.key, self._old_kek(), self._sets),))
        except ValueError as error:
            raise PermanentError("that is no project's key", resolution="Restore its record.") from error

    def _begin(self, request: keys.BeginRotation, by: str, write: Write) -> keys.RotationUnderWay:
        now, resumed = self._rotation.begin(request.level, by, write)
        return keys.RotationUnderWay(
            level=now.level or request.level,
            generation=now.generation,
            resumed=resumed,
            owners=len(self._sets.files.owners()),
        )

    def _change_passphrase(self, request: keys.ChangePassphrase, by: str, write: Write) -> Done:
        backend = self._sets.backends.current
        if not isinstance(backend, PassphraseBackend):
            raise UsageError(
                f"the back end of the keys is {backend.name}, which has no passphrase",
                resolution="`sealock keys rotate` gives it another key.",
            )
        with Secret(request.new) as new, self._sets.files.locked():
            refuse_short(new)
            write([PassphraseChanged(by)])
            backend.change_passphrase(new)
        return Done()
