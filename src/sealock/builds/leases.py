"""The leases of one build: one for each fetch, one for its steps.

Where a repository lies elsewhere, its plan is not known before the fetch. So the fetch has a lease of its
own, for the project's key and nothing else, and the steps have one of a later attempt that says which
secret each may have. Attempts count up, so what was leased before is void.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

from sealock.builds.guest_git import FETCH_SECONDS
from sealock.core.errors import PermanentError, UsageError
from sealock.core.lease import LONGEST_LEASE, HeldLease, LeasedStep, Leases, Refused, Terms
from sealock.core.plan import Plan
from sealock.core.project import Project, ProjectReader, owner_of, ssh_key_name
from sealock.core.sealed import RetiredKey, Sealed, SealedName
from sealock.core.secret import Secret
from sealock.core.source import GitOrigin

AFTER_STEPS = 600.0
"""Seconds a lease outlives the time its steps may take."""

Prepare = Callable[[], Coroutine[object, object, None]]
"""Sees to it that leases can be had; takes a while where the keeper is started first."""


async def nothing_to_prepare() -> None:
    """Of leases that can be had at once."""


@asynccontextmanager
async def prepared(prepare: Prepare) -> AsyncIterator[None]:
    """While the block runs, so does `prepare`: a machine starts meanwhile. What goes wrong with it is told
    by the lease that is asked for next."""
    task = asyncio.create_task(prepare())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()


BelongsTo = Callable[[Secret, str], bool]
"""Whether a private key is the other half of a public key's line."""


@dataclass(frozen=True)
class Commit:
    """What is built, as far as secrets depend on it. origin: what it was fetched from, None for a directory
    of this host. branch: None if it is not known to be one. found_on: the branch that the commit was seen to
    be on, there where it is from."""

    origin: GitOrigin | None = None
    branch: str | None = None
    found_on: str | None = None
    protected: bool = False


class BuildLeases:
    """Asks for the leases of the build of that id."""

    def __init__(self, leases: Leases, build: str) -> None:
        self._leases = leases
        self._build = build
        self._attempt = 0

    def fetch(
        self, project: Project, key: SealedName, origin: GitOrigin
    ) -> AbstractAsyncContextManager[HeldLease]:
        """For the project's key, before any step. origin: what is fetched with it."""
        return self._lease(self._terms(project, FETCH_SECONDS, origin, ssh_key=key))

    def steps(
        self, project: Project, plan: Plan, secrets: Sequence[tuple[SealedName, ...]], commit: Commit
    ) -> AbstractAsyncContextManager[HeldLease]:
        """For the plan's steps. secrets: what each of them may have, in their order."""
        terms = self._terms(project, plan.timeouts.total + AFTER_STEPS, commit.origin)
        steps = tuple(
            LeasedStep(step.full_name, step.kind, "" if step.kind == "setup" else step.name, names)
            for step, names in zip(plan.steps, secrets, strict=True)
        )
        return self._lease(
            replace(
                terms,
                plan_digest=plan.digest,
                found_on=commit.found_on,
                steps=steps,
                branch=commit.branch,
                protected=commit.protected,
            )
        )

    def _lease(self, terms: Terms) -> AbstractAsyncContextManager[HeldLease]:
        return self._leases.lease(terms)

    def _terms(
        self, project: Project, lifetime: float, origin: GitOrigin | None, ssh_key: SealedName | None = None
    ) -> Terms:
        self._attempt += 1
        owner = owner_of(project.id)
        return Terms(
            build=self._build,
            attempt=self._attempt,
            account=owner.account,
            project=project.id,
            plan_digest="",
            origin=origin,
            found_on=None,
            ssh_key=ssh_key,
            steps=(),
            branch=None,
            protected=False,
            fork=False,
            lifetime=min(lifetime, LONGEST_LEASE),
        )


class LeasedKey:
    """Has the project's key released for one fetch (`core.keys.KeyRelease`)."""

    def __init__(self, leases: BuildLeases, projects: ProjectReader, belongs_to: BelongsTo) -> None:
        self._leases = leases
        self._projects = projects
        self._belongs_to = belongs_to

    async def open_key(self, project: Project) -> Secret:
        """The private key as OpenSSH text. PermanentError if it is not the other half of the one that is
        shown, or is not released; UsageError for a key from before there were key sets."""
        try:
            private = await self._released(project, project.origin)
        except RetiredKey:
            # Keys were rotated since the project was read: its record has the same key, sealed anew. What is
            # fetched stays what it was, whatever the record says by now.
            private = await self._released(self._projects.get(project.name), project.origin)
        if self._belongs_to(private, project.public_key):
            return private
        private.forget()
        raise _altered(project)

    async def _released(self, project: Project, origin: GitOrigin) -> Secret:
        sealed = project.sealed_key
        if not isinstance(sealed, Sealed):
            raise UsageError(
                f"the key of {project.name} is sealed as it was before there were key sets",
                resolution="`sealock keys rotate` seals it anew; then build again.",
            )
        if sealed.name != ssh_key_name(project.id, project.name, sealed.version):
            raise _altered(project)
        async with self._leases.fetch(project, sealed.name, origin) as lease:
            try:
                return await lease.open(sealed)
            except Refused as error:
                raise _not_released(project, error) from error


def _not_released(project: Project, refused: Refused) -> PermanentError:
    return PermanentError(
        f"the keeper did not release the key of {project.name}",
        details=f"reference {refused.reference}",
        resolution="The keeper's log says why, under that reference. If it says that the key is for another "
        "repository or older than that rule, `sealock project reset-key "
        f"{project.name}` (on a server `sealock projects`) makes another, whose public half is to be "
        "installed; else try again.",
    )


def _altered(project: Project) -> PermanentError:
    return PermanentError(
        f"the sealed key of {project.name} is not its own",
        details="The record was altered, or belongs to another project, name or version.",
        resolution="Restore the project's record, or make the project a new key with "
        f"`sealock project reset-key {project.name}` and install its public half.",
    )
