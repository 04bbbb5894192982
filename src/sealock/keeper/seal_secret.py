"""Takes a project's secrets: each is sealed, with its scope, in the call that brings it, and cannot be
read again here or by whoever brought it."""

from __future__ import annotations

from sealock.core.scope import Scope, enclose
from sealock.core.sealed import Kind, Owner, PublicKeys, RetiredKey, SealedName, SealedValues
from sealock.core.secret import Secret
from sealock.keeper.sealing import seal


class ValueSealer:
    """Seals to the owner's public key (`core.keys.SecretSealer`)."""

    def __init__(self, public_keys: PublicKeys, values: SealedValues) -> None:
        self._public_keys = public_keys
        self._values = values

    def keep(self, owner: Owner, kind: Kind, name: str, value: Secret, scope: Scope) -> SealedName:
        """Seal the next version of it and keep that. UsageError if somebody else set it meanwhile."""
        full = SealedName(
            owner.account, owner.project, kind, name, self._values.next_version(owner, kind, name)
        )
        with enclose(scope, value) as enclosed:
            try:
                self._values.put(seal(full, enclosed, self._public_keys.public_key(owner)))
            except RetiredKey:
                # Keys were rotated between the two: there is a newer one to seal to.
                self._values.put(seal(full, enclosed, self._public_keys.public_key(owner)))
        return full
