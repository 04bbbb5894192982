"""The keys of an installation in one place: what `sealock keys` does (`core.keyring.Keyring`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sealock.core.errors import UsageError
from sealock.core.keyring import KeyringStatus, Level, Rotated
from sealock.core.keys import Opener
from sealock.core.project import Projects
from sealock.core.sealed import SealedPlace
from sealock.core.secret import Secret
from sealock.keeper.backends.passphrase import PassphraseBackend
from sealock.keeper.backup import export, restore
from sealock.keeper.journal import Journal
from sealock.keeper.keysets import KeySets
from sealock.keeper.migration import migrate, old_projects
from sealock.keeper.rotation import Rotation


@dataclass(frozen=True)
class InstallationKeys:
    """places: everywhere sealed values lie. projects, opener: for keys from before there were key sets."""

    sets: KeySets
    journal: Journal
    places: Sequence[SealedPlace]
    projects: Projects
    opener: Opener

    def status(self) -> KeyringStatus:
        """How they are."""
        backend, journal = self.sets.backends.current.status(), self.journal.read()
        leaving = [f"still reading what {each.name} wrapped" for each in self.sets.backends.leaving]
        return KeyringStatus(
            backend=backend.name,
            key=backend.key,
            works=backend.works,
            notes=(*backend.notes, *leaving),
            owners=len(self.sets.files.owners()),
            destroyed=len(self.sets.files.destroyed()),
            old_projects=tuple(project.name for project in old_projects(self.projects)),
            unfinished=journal.level,
            root_rotated_at=journal.root_rotated_at,
            sets_rotated_at=journal.sets_rotated_at,
        )

    def rotate(self, level: Level) -> Rotated:
        """Rotate one level, or finish what was cut short."""
        return Rotation(self.sets, self.journal, self.places, before_root=self._migrate).run(level)

    def export(self, passphrase: Secret) -> bytes:
        """A backup of every key set. Keys from before there were any are sealed to theirs first: they would
        not be in it."""
        self._migrate()
        return export(self.sets, passphrase)

    def restore(self, backup: bytes, passphrase: Secret) -> int:
        """Bring back from a backup what is not there."""
        return len(restore(self.sets, backup, passphrase))

    def change_passphrase(self, new: Secret) -> None:
        """Another passphrase for the same keys."""
        backend = self.sets.backends.current
        if not isinstance(backend, PassphraseBackend):
            raise UsageError(
                f"the back end of the keys is {backend.name}, which has no passphrase",
                resolution="`sealock keys rotate` gives it another key.",
            )
        with self.sets.files.locked():
            backend.change_passphrase(new)

    def _migrate(self) -> None:
        migrate(self.projects, self.opener, self.sets)
