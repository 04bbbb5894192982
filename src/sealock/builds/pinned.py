"""The versions of secrets that an earlier build was given, for a build that is to get the same ones.

They are read from the release ledger, where each stood before it was handed out. What is read here says
which versions to ask the keeper for and gives no right to any: the keeper decides about each by the scope
that was sealed with it and by the branch and the steps of the build that asks now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sealock.core.errors import UsageError
from sealock.core.project import Project
from sealock.core.release import Basis, Exposures, Released
from sealock.core.sealed import Kind

STEP_KINDS = {Kind.VARIABLE.value: Kind.VARIABLE, Kind.FILE.value: Kind.FILE}


@dataclass(frozen=True)
class Version:
    """One version of a secret, whose name is known."""

    kind: Kind
    number: int


@dataclass(frozen=True)
class Pinned:
    """What the build of that id was given. projects: the ids it was given something of. versions: by the
    secret's name; of a build with several attempts those of the latest that had it. rest_newest: what it was
    not given, or is destroyed by now, is given in the newest version instead of not at all."""

    build: str
    projects: frozenset[str]
    versions: Mapping[str, Version]
    rest_newest: bool = False


async def versions_given(build: str, exposures: Exposures) -> Pinned:
    """What that build was given. UsageError if the ledger knows of no such build; as `Exposures`."""
    entries = await exposures.exposures(build)
    facts = [entry.fact for entry in entries if isinstance(entry.fact, Released)]
    given = [fact for fact in facts if fact.basis is Basis.LEASE and fact.project]
    if not given:
        raise UsageError(
            f"there is no build {build[:40]!r} that was given anything",
            resolution="A build's id has 32 hexadecimal digits and stands in its receipt. "
            "`sealock secrets exposures BUILD` lists what it was given.",
        )
    versions = {
        fact.name: Version(STEP_KINDS[fact.kind], fact.version) for fact in given if fact.kind in STEP_KINDS
    }
    return Pinned(build, frozenset(fact.project for fact in given), versions)


def must_be_of(project: Project | None, pinned: Pinned | None) -> None:
    """UsageError if versions are pinned and were not this project's."""
    if pinned is None:
        return
    if project is None:
        raise UsageError(
            f"this build belongs to no project, so it cannot have the secrets of build {pinned.build}",
            resolution="Say whose they are with --project NAME.",
        )
    if pinned.projects != {project.id}:
        raise UsageError(
            f"build {pinned.build} was not one of {project.name}",
            resolution=f"Name a build of {project.name}: another project's secrets are not given to it.",
        )
