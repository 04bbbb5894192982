"""The hooks of the server's projects (`web.ports.HooksPort`): whom a push is for, and what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Callable

from sealock.builds.hook_events import HookTarget, Push
from sealock.builds.hook_secret import KEPT_FOR, derive_hook_secret
from sealock.builds.intake import Intake
from sealock.core.project_records import AllProjects
from sealock.core.project_settings import ProjectSettings
from sealock.core.secret import Secret


class HostedHooks:
    """key: the installation's for hooks, from which each project's secret is worked out. clock: seconds
    since 1970."""

    def __init__(
        self, key: Secret, projects: AllProjects, intake: Intake, clock: Callable[[], float] = time.time
    ) -> None:
        self._key, self._projects, self._intake, self._clock = key, projects, intake, clock

    async def target(self, project_id: str) -> HookTarget | None:
        """The project of that id."""
        found = await self._projects.owned(project_id)
        if found is None:
            return None
        keys = tuple(
            derive_hook_secret(self._key, project_id, version) for version in self._versions(found.settings)
        )
        return HookTarget(project_id, keys, str(found.project.address))

    async def take(self, project_id: str, push: Push) -> bool:
        """Take a push in, once: False, and nothing happens, if the project has had that delivery, or is gone
        by now. What was removed is taken in, and nothing comes of it."""
        found = await self._projects.owned(project_id)
        if found is None:
            return False
        created = await self._intake.push(found.account, project_id, push)
        return created is None or created.new

    def _versions(self, settings: ProjectSettings) -> tuple[int, ...]:
        """Those that are taken now: for a day the one before, too."""
        version, changed = settings.hook_version, settings.hook_changed_at
        fresh = changed is not None and self._clock() - changed < KEPT_FOR
        return (version, version - 1) if fresh and version > 1 else (version,)
