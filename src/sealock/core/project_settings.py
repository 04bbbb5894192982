"""What a project's people decide about its builds, on the server. What a build does, its sealock.yml says."""

from __future__ import annotations

from dataclasses import dataclass

from sealock.core.queue import Supersede


@dataclass(frozen=True)
class ProjectSettings:
    """default_branch: what the dashboard watches. protected: branches whose builds may have protected
    secrets; empty for the installation's. image: of builds that name none; `` for the installation's.
    supersede: what a newer commit of a branch does to older builds of it. max_running: builds at once, None
    for the account's limit. priority: among the account's builds. labels: a worker must have. one_at_a_time:
    branches whose builds run one after the other and are never superseded, such as those that deploy.
    keep_logs: days after a build's end until its log is destroyed, None for what the installation says, which
    it can only shorten. hook_version: counts up when the hook's secret is changed. hook_changed_at: when,
    seconds since 1970; the secret before is taken for a day longer. None if it never was. badge_version:
    counts up when the badge gets a new address."""

    default_branch: str = "main"
    protected: tuple[str, ...] = ()
    image: str = ""
    supersede: Supersede = Supersede.QUEUED
    max_running: int | None = None
    priority: int = 0
    labels: tuple[str, ...] = ()
    one_at_a_time: tuple[str, ...] = ()
    keep_logs: int | None = None
    hook_version: int = 1
    hook_changed_at: float | None = None
    badge_version: int = 1
