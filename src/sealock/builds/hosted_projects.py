"""The server's projects, for its pages and its API: made, changed, given new keys, removed.

Keys are made and ended by asking the keeper, and what is sealed lies in files: that waits, and is done in a
thread of its own. Nothing here opens anything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from sealock.builds.checked_settings import check_keep_logs, check_settings
from sealock.builds.hook_events import CheckRef
from sealock.builds.projects import destroy_sealed, new_project, with_new_key
from sealock.core.build_state import BuildState
from sealock.core.builds import MOST_BUILDS, BuildFilter, BuildRecords, BuildView
from sealock.core.errors import UsageError
from sealock.core.keys import Sealer
from sealock.core.log_retention import FOR_EVER
from sealock.core.project import Project, owner_of
from sealock.core.project_records import ProjectRecords
from sealock.core.project_settings import ProjectSettings
from sealock.core.queue import Queue
from sealock.core.sealed import KeyDestroyer, Owner, RetiredKey, SealedPlace
from sealock.core.secret import Secret
from sealock.core.source import GitAddress

T = TypeVar("T")

REMOVED = "its project is removed"


@dataclass(frozen=True)
class ProjectPorts:
    """records: the projects of an account, by its id. places: where values sealed to a project's keys lie.
    remove_logs: removes the logs of a project's builds, for whoever is named. parse: a repository's address,
    checked. host_keys: the keys to pin for a host and port: the given ones, checked, or those that are known.
    hook_secret: the one of that version of the project of that id. keep_logs: days, of the installation.

    sealer, keys, places, remove_logs and host_keys may wait; each is called in a thread."""

    records: Callable[[str], ProjectRecords]
    builds: BuildRecords
    queue: Queue
    sealer: Sealer
    keys: KeyDestroyer
    places: Sequence[SealedPlace]
    remove_logs: Callable[[Owner, str], object]
    parse: Callable[[str], GitAddress]
    host_keys: Callable[[str, int, tuple[str, ...]], tuple[str, ...]]
    check_ref: CheckRef
    hook_secret: Callable[[str, int], Secret]
    keep_logs: int = FOR_EVER


class HostedProjects:
    """Projects of accounts (`web.ports.ProjectsPort`). project: an id. LookupError where an account has no
    such project."""

    def __init__(self, ports: ProjectPorts, clock: Callable[[], float] = time.time) -> None:
        self._ports, self._clock = ports, clock

    async def all(self, account: str) -> list[Project]:
        """Every project, by name."""
        return await self._ports.records(account).all()

    async def get(self, account: str, project: str) -> Project:
        """The project of that id."""
        return _there(await self._ports.records(account).by_id(project))

    async def named(self, account: str, name: str) -> Project:
        """The project of that name."""
        return _there(next((each for each in await self.all(account) if each.name == name), None))

    async def create(self, account: str, name: str, address: str, host_keys: tuple[str, ...]) -> Project:
        """A new project with a new key. host_keys: lines as of `ssh-keyscan`; none: those the installation
        knows. UsageError naming what cannot be."""
        where, records = self._ports.parse(address), self._ports.records(account)
        pinned = await asyncio.to_thread(self._ports.host_keys, where.host, where.port, host_keys)
        await _refuse_taken(name, where, records)
        made = await asyncio.to_thread(new_project, name, where, pinned, sealer=self._ports.sealer)
        await records.add(made)
        return await self.get(account, made.id)

    async def settings(self, account: str, project: str) -> ProjectSettings:
        """What its people decided."""
        return _there(await self._ports.records(account).settings(project))

    async def change(self, account: str, project: str, settings: ProjectSettings) -> None:
        """Put these in the place of the others, but for the hook's secret. UsageError naming what cannot
        be."""
        check_settings(settings, self._ports.check_ref)

        def changed(old: ProjectSettings) -> ProjectSettings:
            check_keep_logs(settings.keep_logs, old.keep_logs, self._ports.keep_logs)
            # An older secret must not come back with settings that somebody had open meanwhile.
            return replace(
                settings,
                hook_version=old.hook_version,
                hook_changed_at=old.hook_changed_at,
                badge_version=old.badge_version,
            )

        _there(await self._ports.records(account).change_settings(project, changed))

    async def reset_key(self, account: str, project: str) -> Project:
        """Give it a new key; the old one is gone. UsageError if somebody else did at the same time."""
        for last in (False, True):
            found = await self.get(account, project)
            made = await asyncio.to_thread(with_new_key, found, sealer=self._ports.sealer)
            try:
                await self._ports.records(account).replace(made)
                break
            except RetiredKey:  # rotated between the two: there is a newer one to seal to
                if last:
                    raise
        return await self.get(account, project)

    async def remove(self, account: str, project: str, *, person: str) -> None:
        """Destroy its keys, then everything of it. UsageError while one of its builds runs. Cut short, it
        can be asked for again, and from its first step on nothing of it opens, from no backup either."""
        found = await self.get(account, project)
        await self._end_queue(account, found)
        await asyncio.to_thread(
            destroy_sealed,
            owner_of(project),
            keys=self._ports.keys,
            places=self._ports.places,
            remove_logs=lambda owner: self._ports.remove_logs(owner, person),
        )
        await self._ports.records(account).forget(project)

    async def hook_secret(self, account: str, project: str) -> Secret:
        """What its hook's deliveries are signed with."""
        settings = await self.settings(account, project)
        return self._ports.hook_secret(project, settings.hook_version)

    async def reset_hook_secret(self, account: str, project: str) -> Secret:
        """A new one; the old one is taken for a day longer."""

        def next_version(old: ProjectSettings) -> ProjectSettings:
            return replace(old, hook_version=old.hook_version + 1, hook_changed_at=self._clock())

        settings = _there(await self._ports.records(account).change_settings(project, next_version))
        return self._ports.hook_secret(project, settings.hook_version)

    async def reset_badge(self, account: str, project: str) -> ProjectSettings:
        """Give its badge a new address; the old one shows nothing any more. What its settings are now."""

        def next_version(old: ProjectSettings) -> ProjectSettings:
            return replace(old, badge_version=old.badge_version + 1)

        return _there(await self._ports.records(account).change_settings(project, next_version))

    async def _end_queue(self, account: str, project: Project) -> None:
        """Cancel what waits. UsageError if a build runs, or began before it was cancelled."""
        running = BuildFilter(project=project.id, state=BuildState.RUNNING, limit=1)
        for build in await self._ports.builds.page(account, running):
            raise _runs(project, build)
        before: str | None = None
        while True:
            waiting = BuildFilter(
                project=project.id, state=BuildState.QUEUED, before=before, limit=MOST_BUILDS
            )
            page = await self._ports.builds.page(account, waiting)
            for build in page:
                state = await self._ports.queue.cancel(build.id, REMOVED)
                if state is not None and state.held:
                    raise _runs(project, build)
                before = build.id
            if len(page) < MOST_BUILDS:
                return


def _there(found: T | None) -> T:
    if found is None:
        raise LookupError("the account has no such project")
    return found


async def _refuse_taken(name: str, address: GitAddress, records: ProjectRecords) -> None:
    """Before a key is made, which would be of nobody. Of two at the same time the database refuses one."""
    for other in await records.all():
        if other.name == name:
            raise UsageError(
                f"there is a project {name} already",
                details=f"It builds {other.address}.",
                resolution="Choose another name, or remove that one first.",
            )
        if other.address == address:
            raise UsageError(
                f"{address} is built by the project {other.name} already",
                resolution="Look at that one, or remove it first.",
            )


def _runs(project: Project, build: BuildView) -> UsageError:
    return UsageError(
        f"build {build.number} of {project.name} is running",
        resolution="Cancel it, or wait until it has ended, then remove the project.",
    )
