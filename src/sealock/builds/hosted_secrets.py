"""The secrets of the server's projects, for its pages and its API: they go in and never come out.

Sealed values lie in files, and what they are sealed to is asked of the keeper: that waits, and is done in a
thread of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sealock.builds.secrets import keep_secret, project_secrets, remove_secret
from sealock.core.keys import SecretSealer
from sealock.core.project import Project
from sealock.core.scope import Scope
from sealock.core.sealed import Kind, SealedName, SealedValues, SealedVersion
from sealock.core.secret import Secret


class HostedSecrets:
    """A project's secrets (`web.ports.SecretsPort`). LookupError where an account has no such project."""

    def __init__(
        self, project: Callable[[str, str], Awaitable[Project]], values: SealedValues, sealer: SecretSealer
    ) -> None:
        """project: the one of an account by its id, or LookupError (`HostedProjects.get`)."""
        self._project, self._values, self._sealer = project, values, sealer

    async def all(self, account: str, project: str) -> list[SealedVersion]:
        """Every version there ever was."""
        return await asyncio.to_thread(project_secrets, await self._project(account, project), self._values)

    async def keep(
        self, account: str, project: str, *, kind: Kind, name: str, value: Secret, scope: Scope
    ) -> SealedName:
        """Seal the next version; `value` is forgotten, whatever happens. UsageError for what no step could be
        given."""
        with value:
            found = await self._project(account, project)
            # The thread goes on if whoever waits for it gives up, so it has a copy of its own to forget.
            return await asyncio.to_thread(self._keep, found, kind, name, Secret(value.reveal()), scope)

    async def remove(self, account: str, project: str, name: str, version: int | None = None) -> int:
        """Destroy every version, or that one; how many. LookupError if there is none."""
        found = await self._project(account, project)
        return await asyncio.to_thread(self._remove, found, name, version)

    def _keep(self, project: Project, kind: Kind, name: str, value: Secret, scope: Scope) -> SealedName:
        with value:
            return keep_secret(project, kind, name, value, scope, values=self._values, sealer=self._sealer)

    def _remove(self, project: Project, name: str, version: int | None) -> int:
        versions = project_secrets(project, self._values, name)
        live = {each.name.version for each in versions if each.destroyed_at is None}
        if not live if version is None else version not in live:
            raise LookupError("the project has no such secret")
        return remove_secret(project, name, self._values, version)
