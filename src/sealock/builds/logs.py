"""Logs of builds: whose they are, and their removal. Reading one is the keeper's to allow."""

from __future__ import annotations

from sealock.core.errors import UsageError
from sealock.core.log import BuildLogs, was_removed
from sealock.core.project import Projects, owner_of
from sealock.core.sealed import Kind, Owner, SealedValues


def owner_of_log(build: str, projects: Projects, values: SealedValues) -> Owner | None:
    """The project whose build it was, also after its log's key was destroyed. None where no project that
    is still there has a log of it. build: 32 hexadecimal digits."""
    owners = (owner_of(project.id) for project in projects.all())
    return next((owner for owner in owners if values.next_version(owner, Kind.LOG_KEY, build) > 1), None)


def log_to_read(build: str, projects: Projects, values: SealedValues, logs: BuildLogs) -> Owner:
    """Whose log it is that can be read. UsageError says that there is none, or who removed it and when."""
    owner = owner_of_log(build, projects, values)
    if owner is not None and values.get(owner, Kind.LOG_KEY, build) is not None:
        return owner
    if (gone := logs.removal(build)) is not None:
        raise was_removed(gone)
    raise no_log(build)


def remove_log(build: str, by: str, *, projects: Projects, values: SealedValues, logs: BuildLogs) -> None:
    """Destroy a log's sealed key, then remove the log; who and when stays. Cut short, it can be asked for
    again. UsageError if there is none, or it was removed."""
    logs.remove(owner_of_log(build, projects, values), build, by)


def remove_logs_of(owner: Owner, by: str, *, values: SealedValues, logs: BuildLogs) -> int:
    """Remove every log of a project's builds; how many there were. Cut short, it can be asked for again."""
    removed = 0
    for each in values.versions(owner, Kind.LOG_KEY):
        try:
            logs.remove(owner, each.name.name, by)
        except UsageError:
            continue  # removed before, or a build that ended before its log began
        removed += 1
    return removed


def no_log(build: str) -> UsageError:
    """What to tell whoever asks for a log of a build that has none."""
    return UsageError(
        f"there is no log of a build {build[:40]!r}",
        resolution="A build's id has 32 hexadecimal digits and stands in its receipt. Only builds of "
        "projects have logs.",
    )
