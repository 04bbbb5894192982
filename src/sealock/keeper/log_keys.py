"""The keys of builds' logs: made sealed, and opened by the keeper for whoever may read the log."""

from __future__ import annotations

import os
from typing import Protocol

from sealock.core.errors import PermanentError, UsageError
from sealock.core.log import LOG_KEY_LENGTH, LogReader, LogRemoval, Logs, LogWriter
from sealock.core.sealed import Kind, Owner, PublicKey, RetiredKey, Sealed, SealedName, SealedValues
from sealock.core.secret import Secret
from sealock.keeper.sealing import seal


class Keys(Protocol):
    """What a keeper is asked for here."""

    async def public_key(self, owner: Owner) -> PublicKey:
        """What values of that owner are sealed to."""
        ...

    async def open_for_owner(self, sealed: Sealed) -> Secret:
        """The value, for the person whose installation this is."""
        ...


class SealedBuildLogs:
    """Logs with their keys (`core.log.BuildLogs`)."""

    def __init__(self, logs: Logs, values: SealedValues, keeper: Keys) -> None:
        self._logs = logs
        self._values = values
        self._keeper = keeper

    async def begin(self, owner: Owner, build_id: str) -> LogWriter:
        """A new log under a fresh key. The sealed copy of the key is kept first: there is no log that
        cannot be opened."""
        name = SealedName(owner.account, owner.project, Kind.LOG_KEY, build_id, 1)
        with Secret(os.urandom(LOG_KEY_LENGTH)) as key:
            for last in (False, True):
                try:
                    self._values.put(seal(name, key, await self._keeper.public_key(owner)))
                    break
                except RetiredKey:
                    if last:
                        raise
            return self._logs.create(build_id, key)

    async def read(self, owner: Owner, build_id: str) -> LogReader:
        """A build's log. UsageError if there is none."""
        sealed = self._values.get(owner, Kind.LOG_KEY, build_id)
        if sealed is None:
            raise no_log(build_id)
        with await self._keeper.open_for_owner(sealed) as key:
            return self._logs.open(build_id, key)

    def remove(self, owner: Owner | None, build_id: str, by: str) -> None:
        """Destroy its sealed key, then remove it. UsageError if there is none, or it was removed."""
        remove_log(self._logs, self._values, owner, build_id, by=by)

    def removal(self, build_id: str) -> LogRemoval | None:
        """What is remembered of a log that was removed."""
        return self._logs.removal(build_id)


def remove_log(
    logs: Logs, values: SealedValues, owner: Owner | None, build_id: str, *, by: str, why: str = ""
) -> None:
    """Destroy the sealed key of a build's log first: from then on nobody reads what may be left of the log.
    owner None: its keys are gone. UsageError if there is none, or it was removed; PermanentError if its key
    cannot be destroyed, and then the log stays."""
    sealed = None if owner is None else values.get(owner, Kind.LOG_KEY, build_id)
    if owner is not None and sealed is not None:
        try:
            values.destroy(sealed.name)
        except UsageError as error:
            if values.get(owner, Kind.LOG_KEY, build_id) is not None:
                raise PermanentError(
                    f"the key of the log of build {build_id} cannot be destroyed", details=error.brief
                ) from error
            # Somebody else destroyed it at the same time; they may yet be killed before the log is gone.
    logs.remove(build_id, by, why)


def no_log(build_id: str) -> UsageError:
    """What to tell whoever asks for a log of a build that has none."""
    return UsageError(
        f"there is no log of a build {build_id[:40]!r}",
        resolution="A build's id has 32 hexadecimal digits. Only builds of projects have logs.",
    )
