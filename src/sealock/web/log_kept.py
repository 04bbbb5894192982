"""Until when a build's log is kept, by the settings of its project and of the installation."""

from __future__ import annotations

from sealock.core.builds import BuildView
from sealock.core.log_retention import keeping, kept_until
from sealock.web.ports import ServicePorts


async def log_kept_until(service: ServicePorts, build: BuildView) -> float | None:
    """Seconds since 1970; None for ever, while it has not ended, and where its project was just removed."""
    if build.ended_at is None:
        return None
    try:
        settings = await service.projects.settings(build.account, build.project)
    except LookupError:
        return None
    return kept_until(build.ended_at, keeping(service.site.keep_logs, settings.keep_logs))
