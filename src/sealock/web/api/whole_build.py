"""A build as the API tells it, with what becomes of its log."""

from __future__ import annotations

from sealock.core.builds import BuildView
from sealock.web.api.shapes import LogKept, WholeBuild
from sealock.web.log_kept import log_kept_until
from sealock.web.ports import ServicePorts


async def whole_build(service: ServicePorts, view: BuildView) -> WholeBuild:
    """All of it."""
    removal = None if view.run is None else await service.logs.removal(view.run)
    return WholeBuild.whole(view, LogKept.of(await log_kept_until(service, view), removal))
