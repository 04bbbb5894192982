"""Opens project keys, or says no. There is no third way out: no plaintext fallback.

Keys from before there were key sets open as they always did, with the key-encryption key in its file.
"""

from __future__ import annotations

from collections.abc import Callable

from sealock.core.errors import PermanentError
from sealock.core.project import Project, SealedKey, ssh_key_name
from sealock.core.scope import disclose
from sealock.core.sealed import DoesNotOpen, Unsealer
from sealock.core.secret import Secret
from sealock.keeper.halves import belongs_to
from sealock.keeper.kek import FileKek
from sealock.keeper.old_keys import OldKeyOpener


class KeyOpener:
    """Opens the keys of projects as whoever has the key sets can."""

    def __init__(self, unsealer: Unsealer, old_kek: Callable[[], FileKek]) -> None:
        """old_kek: gives the key-encryption key in its file, asked for old keys only."""
        self._unsealer = unsealer
        self._old_kek = old_kek

    def open_key(self, project: Project) -> Secret:
        """The private key as OpenSSH text. PermanentError if this record is not exactly what was sealed
        for this project, or its public half is another key's."""
        sealed = project.sealed_key
        if isinstance(sealed, SealedKey):
            return OldKeyOpener(self._old_kek()).open_key(project, sealed)
        if sealed.name != ssh_key_name(project.id, project.name, sealed.version):
            raise _altered(project)
        try:
            with self._unsealer.open(sealed) as opened:
                _, private = disclose(opened)
        except (DoesNotOpen, ValueError) as error:
            raise _altered(project) from error
        if not belongs_to(private, project.public_key):
            private.forget()
            raise _altered(project)
        return private


def _altered(project: Project) -> PermanentError:
    return PermanentError(
        f"the sealed key of {project.name} does not open",
        details="The record was altered, or belongs to another project, name or version.",
        resolution="Restore the project's record, or make the project a new key with "
        f"`sealock project reset-key {project.name}` and install its public half.",
    )
