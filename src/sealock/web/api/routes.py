"""All of the API, to be mounted by the website."""

from __future__ import annotations

from fastapi import APIRouter

from sealock.web.api import (
    badge,
    builds,
    installation,
    log_follow,
    logs,
    openapi,
    own_token,
    projects,
    receipts,
    secrets,
    starting,
    tokens,
    workers,
)

router = APIRouter(prefix=openapi.PREFIX)
for part in (
    openapi,
    installation,
    projects,
    badge,
    secrets,
    builds,
    starting,
    receipts,
    logs,
    log_follow,
    workers,
    tokens,
    own_token,
):
    router.include_router(part.router)
