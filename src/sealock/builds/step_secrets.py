"""The secrets of a build's steps: found before anything runs, released just before the step that gets them.

What a step was given is masked from then on in everything the build prints, for as long as the build
lasts: a later step may print what an earlier one left in a file.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sealock.builds.pinned import Pinned
from sealock.core.build import SecretRelease
from sealock.core.errors import UsageError
from sealock.core.event import Emit, Notice
from sealock.core.lease import HeldLease, Refused
from sealock.core.log import Masker
from sealock.core.plan import Plan, Step
from sealock.core.project import Project, owner_of
from sealock.core.sealed import Kind, RetiredKey, Sealed, SealedReader
from sealock.core.secret import Secret

KINDS = (Kind.VARIABLE, Kind.FILE)

Found = Mapping[str, tuple[Sealed, ...]]
"""For each step, by its full name, what it names, still sealed."""


Bring = Callable[[Collection[str], Pinned | None], Awaitable[None]]
"""Has the sealed values of these names, in the newest version or the pinned one, where they can be got."""


async def nothing_to_bring(_names: Collection[str], _pinned: Pinned | None) -> None:
    """Of values that lie here."""


@dataclass(frozen=True)
class Given:
    """One secret that was released. kind: variable or file."""

    kind: Kind
    name: str
    value: Secret


def find_secrets(
    plan: Plan, project: Project | None, values: SealedReader, pinned: Pinned | None = None
) -> Found:
    """Everything the plan's steps name, in the newest version or the one that is pinned; the same version
    for every step. UsageError for what is not there."""
    first: dict[str, Step] = {}
    for step in plan.steps:
        for name in step.secrets:
            first.setdefault(name, step)
    chosen = {name: _choose(name, step, project, values, pinned) for name, step in first.items()}
    return {
        step.full_name: tuple(chosen[name] for name in step.secrets) for step in plan.steps if step.secrets
    }


def _choose(
    name: str, step: Step, project: Project | None, values: SealedReader, pinned: Pinned | None
) -> Sealed:
    if project is None:
        raise UsageError(
            f"`{step.name}` names the secret {name}, and this build belongs to no project",
            resolution="Secrets are a project's: say which with --project NAME.",
        )
    if pinned is not None:
        return _pinned(name, step, project, values, pinned)
    return _newest(name, step, project, values)


def _newest(name: str, step: Step, project: Project, values: SealedReader) -> Sealed:
    for kind in KINDS:
        found = values.get(owner_of(project.id), kind, name)
        if found is not None:
            return found
    raise UsageError(
        f"`{step.name}` names the secret {name}, and {project.name} has none of that name",
        resolution=f"Set it with `sealock secrets set {project.name} {name}`, or leave it out of the step.",
    )


def _pinned(name: str, step: Step, project: Project, values: SealedReader, pinned: Pinned) -> Sealed:
    version = pinned.versions.get(name)
    there = version and values.get(owner_of(project.id), version.kind, name, version.number)
    if there:
        return there
    if pinned.rest_newest:
        return _newest(name, step, project, values)
    if version is None:
        raise UsageError(
            f"`{step.name}` names the secret {name}, and build {pinned.build} was not given it",
            resolution="A build is given a step's secrets just before that step, so one that ended earlier "
            "lacks them. Build without --secrets-of, or leave the secret out of the step.",
        )
    raise UsageError(
        f"version {version.number} of {name}, which build {pinned.build} was given, is destroyed",
        resolution="Build without --secrets-of: that gives the newest version.",
    )


class StepSecrets:
    """Has them released, each just before its step. masker: learns what was released. releases: a note of
    each is added to it."""

    def __init__(
        self,
        found: Found,
        lease: HeldLease | None,
        values: SealedReader,
        masker: Masker,
        releases: list[SecretRelease],
        *,
        bring: Bring = nothing_to_bring,
    ) -> None:
        self._found = found
        self._lease = lease
        self._values = values
        self._releases = releases
        self._bring = bring
        self.masker = masker

    async def release(self, step: Step, emit: Emit) -> list[Given]:
        """What this step gets; the caller forgets the values. UsageError if it may not have all of it.
        emit: told of what cannot be masked."""
        sealed = self._found.get(step.full_name, ())
        if not sealed or self._lease is None:
            return []
        values = await self._open(self._lease, sealed, step)
        self._note(sealed, step)
        given = [
            Given(each.name.kind, each.name.name, value) for each, value in zip(sealed, values, strict=True)
        ]
        for each in given:
            if (warning := self.masker.add(each.name, each.value)) is not None:
                emit(Notice(warning))
        return given

    def _note(self, sealed: Sequence[Sealed], step: Step) -> None:
        now = time.time()
        self._releases += [
            SecretRelease(step.full_name, each.name.kind, each.name.name, each.version, now)
            for each in sealed
        ]

    async def _open(self, lease: HeldLease, sealed: Sequence[Sealed], step: Step) -> list[Secret]:
        try:
            with suppress(RetiredKey):
                return await lease.open_all(sealed, step=step.full_name)
            # Keys were rotated since: the same versions lie there, sealed anew.
            await self._bring([each.name.name for each in sealed], None)
            return await lease.open_all([self._again(each) for each in sealed], step=step.full_name)
        except Refused as error:
            names = ", ".join(each.name.name for each in sealed)
            raise UsageError(
                f"`{step.name}` may not have every secret it names: {names}",
                details=f"The keeper refused, reference {error.reference}.",
                resolution="A secret may be for commits on protected branches, for deployments or for other "
                "pipelines only (`sealock secrets set`), for no directory but with --directories, and is for "
                "the one repository it was set for: set it again if the project builds another by now. The "
                "keeper's log says which it was, under that reference.",
            ) from error

    def _again(self, sealed: Sealed) -> Sealed:
        name = sealed.name
        found = self._values.get(name.owner, name.kind, name.name, name.version)
        if found is None:
            raise UsageError(f"{name} was destroyed while the build ran")
        return found
