"""Secrets of a project: set, listed, removed. What is set here is sealed here and cannot be read here."""

from __future__ import annotations

from dataclasses import replace

from sealock.core.errors import UsageError
from sealock.core.keys import SecretSealer
from sealock.core.naming import rule_of
from sealock.core.project import Project, owner_of
from sealock.core.scope import Scope
from sealock.core.sealed import (
    LONGEST_VALUE,
    SEALED_NAME,
    VARIABLE_NAME,
    Kind,
    SealedName,
    SealedValues,
    SealedVersion,
)
from sealock.core.secret import Secret

KINDS = (Kind.VARIABLE, Kind.FILE)
LONGEST_VARIABLE = 64 * 1024
"""Bytes. The kernel takes 128 KiB for one variable, and every program that a step starts gets a copy."""


def keep_secret(
    project: Project,
    kind: Kind,
    name: str,
    value: Secret,
    scope: Scope,
    *,
    values: SealedValues,
    sealer: SecretSealer,
) -> SealedName:
    """Seal and keep the next version, for builds of the project's repository alone; the caller forgets
    `value`. UsageError for a name or value that no step could be given, and for a name that is of the other
    kind already."""
    _check_name(kind, name)
    _check_value(kind, value)
    owner = owner_of(project.id)
    other = Kind.VARIABLE if kind is Kind.FILE else Kind.FILE
    if values.get(owner, other, name) is not None:
        raise UsageError(
            f"{project.name} has a {other} {name} already",
            resolution="Steps name secrets by name alone: remove that one first, or choose another name.",
        )
    return sealer.keep(owner, kind, name, value, replace(scope, origin=project.origin))


def project_secrets(project: Project, values: SealedValues, name: str | None = None) -> list[SealedVersion]:
    """Every version there ever was, by kind, name and version. name: of that secret alone."""
    found = [each for kind in KINDS for each in values.versions(owner_of(project.id), kind)]
    return [each for each in found if name is None or each.name.name == name]


def remove_secret(project: Project, name: str, values: SealedValues, version: int | None = None) -> int:
    """Destroy every version, or that one; how many there were. UsageError if there is none."""
    live = [
        each
        for each in project_secrets(project, values, name)
        if each.destroyed_at is None and version in (None, each.name.version)
    ]
    if not live:
        which = "" if version is None else f" in version {version}"
        raise UsageError(
            f"{project.name} has no secret {name[:80]!r}{which}",
            resolution=f"`sealock secrets history {project.name} {name[:80]}` lists its versions."
            if version is not None
            else f"`sealock secrets list {project.name}` lists them.",
        )
    for each in live:
        values.destroy(each.name)
    return len(live)


def version_in_use(project: Project, name: str, values: SealedValues) -> int | None:
    """The version that builds get now. None if there is none."""
    live = [each for each in project_secrets(project, values, name) if each.destroyed_at is None]
    return max((each.name.version for each in live), default=None)


def _check_name(kind: Kind, name: str) -> None:
    if kind is Kind.VARIABLE and (not VARIABLE_NAME.fullmatch(name) or name.startswith("SEALOCK_")):
        raise UsageError(
            f"{name[:80]!r} cannot be a variable's name",
            resolution="Use letters, digits and `_`, not a digit first, at most 128; names that begin with "
            "`SEALOCK_` are Sealock's own.",
        )
    if not SEALED_NAME.fullmatch(name):
        raise UsageError(
            f"{name[:80]!r} cannot be a file's name",
            resolution=rule_of(SEALED_NAME),
        )


def _check_value(kind: Kind, value: Secret) -> None:
    content = value.reveal()
    longest = LONGEST_VARIABLE if kind is Kind.VARIABLE else LONGEST_VALUE
    if not content:
        raise UsageError("the value is empty", resolution="Give one, or remove the secret.")
    if len(content) > longest:
        raise UsageError(
            f"the value is longer than the {longest // 1024} KiB that a {kind} may have",
            resolution="Set it as a file (--as-file)." if kind is Kind.VARIABLE else "Split it.",
        )
    if kind is Kind.VARIABLE and b"\0" in content:
        raise UsageError("a variable cannot hold a NUL byte", resolution="Set it as a file (--as-file).")
