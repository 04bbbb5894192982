"""The pages of this website, as one router."""

from __future__ import annotations

from fastapi import APIRouter

from sealock.web.pages import static

router = APIRouter(include_in_schema=False)
router.include_router(static.router)
