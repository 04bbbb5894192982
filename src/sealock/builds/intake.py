"""What becomes a build: a push, somebody's wish, or an earlier build that is restarted.

What a branch is called decides which secrets a build may have, so a name alone means the branch and is asked
of the Git server as such (`refs/heads/NAME`): a tag of the same name, which whoever may push can make, is
never built in a branch's place. A commit or a tag belongs to no branch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from sealock.builds.hook_events import CheckRef, Push
from sealock.core.build_state import BuildState, Trigger
from sealock.core.builds import BuildRecords, BuildView, Created, NewBuild
from sealock.core.errors import UsageError
from sealock.core.naming import rule_of
from sealock.core.plan import MOST_PIPELINES, PIPELINE_NAME
from sealock.core.project_records import ProjectRecords
from sealock.core.project_settings import ProjectSettings

LONGEST_DELIVERY = 150

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BRANCHES, _TAGS = "refs/heads/", "refs/tags/"


@dataclass(frozen=True)
class Wanted:
    """What to fetch. branch: None of what is not one. commit: None for the newest."""

    ref: str
    branch: str | None = None
    commit: str | None = None


class Intake:
    """A `web.ports.IntakePort`. records: the projects of an account, by its id. protected: the
    installation's protected branches, for projects that name none of their own."""

    def __init__(
        self,
        records: Callable[[str], ProjectRecords],
        builds: BuildRecords,
        check_ref: CheckRef,
        protected: Sequence[str],
    ) -> None:
        self._records, self._builds = records, builds
        self._check_ref, self._protected = check_ref, frozenset(protected)

    async def start(
        self,
        account: str,
        project: str,
        *,
        ref: str | None,
        pipelines: tuple[str, ...],
        person: str | None,
        delivery: str = "",
    ) -> Created:
        """A build that somebody asks for. ref: a branch, a commit or `refs/tags/TAG`, None for the default
        branch. UsageError for a ref or a pipeline's name that cannot be one; LookupError if there is no such
        project."""
        settings = await self._settings(account, project)
        wanted = self._wanted(settings.default_branch if ref is None else ref)
        new = NewBuild(
            project,
            Trigger.PERSON,
            wanted.ref,
            wanted.branch,
            wanted.commit,
            person=person,
            pipelines=check_pipelines(pipelines),
            delivery=_delivery("asked", delivery),
        )
        return await self._builds.create(account, new, self.is_protected(settings, new))

    async def push(self, account: str, project: str, push: Push) -> Created | None:
        """The build of what was pushed, once for each delivery; None for what was removed, which nothing is
        built of. UsageError for a name that cannot be one; LookupError if there is no such project."""
        settings = await self._settings(account, project)
        if push.after is None:
            return None
        wanted = self._wanted((_TAGS if push.is_tag else _BRANCHES) + push.name)
        new = NewBuild(
            project,
            Trigger.TAG if push.is_tag else Trigger.PUSH,
            wanted.ref,
            wanted.branch,
            # A tag with a message is an object of its own, not the commit it stands for.
            None if push.is_tag else push.after,
            delivery=_delivery("push", push.delivery),
        )
        return await self._builds.create(account, new, self.is_protected(settings, new))

    async def restart(
        self,
        account: str,
        build: str,
        *,
        failed_only: bool,
        person: str | None,
        only: tuple[str, ...] = (),
        delivery: str = "",
    ) -> Created:
        """The same commit again, in a new build, with the versions of secrets that the latest attempt had.
        What of it: `pipelines_again`. UsageError if it has not ended; LookupError if there is no such
        build."""
        old = await self._builds.get(account, build)
        if old is None:
            raise LookupError("the account has no such build")
        settings = await self._settings(account, old.project)
        if old.state is not BuildState.ENDED:
            raise UsageError("the build has not ended", resolution="Wait until it has, or cancel it.")
        pipelines = pipelines_again(old, only, failed_only=failed_only)
        new = NewBuild(
            old.project,
            Trigger.RESTART,
            old.ref,
            old.branch,
            old.commit,
            old.message,
            old.author,
            person,
            from_fork=old.from_fork,
            pipelines=pipelines,
            delivery=_delivery("again", delivery),
            restart_of=old.id,
            secrets_of=old.run or old.secrets_of,
        )
        return await self._builds.create(account, new, self.is_protected(settings, new))

    def is_protected(self, settings: ProjectSettings, new: NewBuild) -> bool:
        """Whether it is of a protected branch, by what is decided now; nothing from a fork ever is."""
        names = frozenset(settings.protected) or self._protected
        return not new.from_fork and new.branch is not None and new.branch in names

    async def _settings(self, account: str, project: str) -> ProjectSettings:
        found = await self._records(account).settings(project)
        if found is None:
            raise LookupError("the account has no such project")
        return found

    def _wanted(self, ref: str) -> Wanted:
        name = self._check_ref(ref)
        if _COMMIT.fullmatch(name):
            return Wanted(name, commit=name)
        if name.startswith("refs/") and not name.startswith(_BRANCHES):
            return Wanted(name)
        branch = self._check_ref(name.removeprefix(_BRANCHES))
        return Wanted(self._check_ref(_BRANCHES + branch), branch=branch)


def pipelines_again(old: BuildView, only: tuple[str, ...], *, failed_only: bool) -> tuple[str, ...]:
    """The pipelines of a restart. only: these; none: all that were asked for, or `failed_pipelines`.
    UsageError if nothing failed, or one of `only` is none of the build's."""
    if only:
        had = {step.name for step in old.steps if step.kind == "test"} | set(old.pipelines)
        for name in check_pipelines(only):
            if name not in had:
                raise UsageError(
                    f"pipelines: the build has no pipeline {name}", resolution="Name those that it shows."
                )
        return only
    found = old.failed_pipelines if failed_only else old.pipelines
    if found is None:
        raise UsageError("nothing of the build failed", resolution="Restart all of it.")
    return found


def check_pipelines(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names as they were given. UsageError for what no pipeline can be called."""
    for name in names:
        if not PIPELINE_NAME.fullmatch(name):
            raise UsageError(
                f"pipelines: {name[:63]!r} is no pipeline's name",
                resolution=f"Give the names in the project's sealock.yml. {rule_of(PIPELINE_NAME)}",
            )
    if len(names) > MOST_PIPELINES or len(set(names)) < len(names):
        raise UsageError(
            f"pipelines: each is named once, at most {MOST_PIPELINES}",
            resolution="Name fewer, or none for all.",
        )
    return names


def _delivery(what: str, delivery: str) -> str:
    """Kept apart by what delivers, so that nobody takes another's delivery before it comes."""
    if len(delivery) > LONGEST_DELIVERY:
        delivery = sha256(delivery.encode(errors="replace")).hexdigest()
    return f"{what}:{delivery}" if delivery else ""
