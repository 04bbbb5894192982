"""The pages of this website, as one router."""

from __future__ import annotations

from fastapi import APIRouter

from sealock.web.pages import build, build_live, build_log, static

router = APIRouter(include_in_schema=False)
router.include_router(static.router)
router.include_router(build.router)
router.include_router(build_live.router)
router.include_router(build_log.router)
