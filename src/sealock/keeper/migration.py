"""Seals a project's key from before there were key sets to its project's key set."""

from __future__ import annotations

from sealock.core.project import owner_of, ssh_key_name
from sealock.core.scope import enclose, of_a_fetch
from sealock.core.sealed import PublicKeys, Sealed
from sealock.keeper.kek import FileKek
from sealock.keeper.key_messages import OldKey
from sealock.keeper.old_keys import OldKeyOpener
from sealock.keeper.sealing import seal


def adopt(old: OldKey, kek: FileKek, public_keys: PublicKeys) -> Sealed:
    """The same key with the same version, sealed anew. kek: what it is sealed under. PermanentError if it
    does not open, or is no id's or name's of a project."""
    name = ssh_key_name(old.id, old.name, old.sealed.version)
    with (
        OldKeyOpener(kek).open_key(old, old.sealed) as private,
        enclose(of_a_fetch(old.origin), private) as enclosed,
    ):
        return seal(name, enclosed, public_keys.public_key(owner_of(old.id)))
