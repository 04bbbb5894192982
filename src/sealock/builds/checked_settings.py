"""Checks what people decided for a project, before it is kept: what a build could not follow is named."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sealock.builds.hook_events import CheckRef
from sealock.core.accounts import MOST_RUNNING
from sealock.core.errors import UsageError
from sealock.core.log_retention import FOR_EVER, MOST_DAYS
from sealock.core.naming import rule_of
from sealock.core.project_settings import ProjectSettings
from sealock.core.queue import HIGHEST_PRIORITY, LABEL, LOWEST_PRIORITY, MOST_LABELS

MOST_BRANCHES = 100
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,127}|")


def check_settings(settings: ProjectSettings, check_ref: CheckRef) -> ProjectSettings:
    """The settings as they were given. UsageError, naming the field, for one that cannot be."""
    _branch("default_branch", settings.default_branch, check_ref)
    for field in ("protected", "one_at_a_time"):
        _several(field, getattr(settings, field), MOST_BRANCHES)
        for branch in getattr(settings, field):
            _branch(field, branch, check_ref)
    _several("labels", settings.labels, MOST_LABELS)
    for label in settings.labels:
        if not LABEL.fullmatch(label):
            raise _wrong("labels", f"{label[:63]!r} is none", rule_of(LABEL))
    if not _IMAGE.fullmatch(settings.image):
        raise _wrong("image", "it is neither a recipe's name nor an image's digest")
    if not LOWEST_PRIORITY <= settings.priority <= HIGHEST_PRIORITY:
        raise _wrong("priority", f"it goes from {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}")
    if settings.max_running is not None and not 0 <= settings.max_running <= MOST_RUNNING:
        raise _wrong("max_running", f"it goes from 0 to {MOST_RUNNING}; none for the account's limit")
    if settings.keep_logs is not None and not 1 <= settings.keep_logs <= MOST_DAYS:
        raise _wrong("keep_logs", f"it goes from 1 to {MOST_DAYS} days; none for what the installation says")
    return settings


def check_keep_logs(days: int | None, before: int | None, installation: int) -> None:
    """UsageError for a project that would keep logs for longer than the installation does; one that did so
    before the installation shortened it may stay. installation: days, `FOR_EVER`."""
    if days is None or days == before or installation == FOR_EVER or days <= installation:
        return
    raise _wrong(
        "keep_logs",
        f"the installation keeps logs for {installation} days, a project only shortens that",
        f"Give {installation} at most, or leave it empty.",
    )


def _branch(field: str, name: str, check_ref: CheckRef) -> None:
    try:
        check_ref(name)
    except UsageError as error:
        raise _wrong(field, error.brief) from error


def _several(field: str, values: Sequence[str], most: int) -> None:
    if len(values) > most:
        raise _wrong(field, f"at most {most}")
    if len(set(values)) < len(values):
        raise _wrong(field, "one is named twice")


def _wrong(field: str, why: str, rule: str = "Give another value.") -> UsageError:
    return UsageError(f"{field}: {why}", resolution=rule)
