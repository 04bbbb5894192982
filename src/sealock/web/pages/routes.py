"""The pages of this website, as one router."""

from __future__ import annotations

from fastapi import APIRouter

from sealock.web.pages import (
    account,
    api_page,
    build,
    build_live,
    build_log,
    dashboard,
    project,
    project_given,
    project_settings,
    receipt,
    sign_in,
    static,
    workers,
)

router = APIRouter(include_in_schema=False)
router.include_router(static.router)
router.include_router(build.router)
router.include_router(build_live.router)
router.include_router(build_log.router)
router.include_router(sign_in.router)
router.include_router(dashboard.router)
router.include_router(project_settings.router)
router.include_router(project_given.router)
router.include_router(project.router)
router.include_router(workers.router)
router.include_router(account.router)
router.include_router(api_page.router)
router.include_router(receipt.router)
