"""The website for tests itself: that what it shows is what its ports say."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from sealock.core.build import Outcome
from sealock.core.build_state import BuildState
from sealock.core.builds import BuildFilter
from sealock.core.sealed import LOCAL_ACCOUNT
from tests.support.site import OTHER_ACCOUNT, Site, make_site, serve_site

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with make_site(tmp_path) as made:
        yield made


async def test_it_has_a_build_of_every_state(site: Site) -> None:
    newest = await site.builds.page(LOCAL_ACCOUNT, BuildFilter())
    assert [(one.state, one.outcome) for one in newest] == [
        (BuildState.QUEUED, None),
        (BuildState.RUNNING, None),
        (BuildState.ENDED, Outcome.RED),
        (BuildState.ENDED, Outcome.GREEN),
    ]
    assert await site.builds.get(OTHER_ACCOUNT, site.green) is None
    assert await site.builds.get(LOCAL_ACCOUNT, site.foreign_build) is None
    queued = await site.builds.get(LOCAL_ACCOUNT, site.queued)
    assert queued is not None and queued.waiting is not None and queued.waiting.reasons


async def test_its_builds_end_and_are_cancelled(site: Site) -> None:
    await site.finish(site.running, Outcome.GREEN)
    await site.service.queue.cancel(site.queued, "by a test")
    assert (await site.view(site.running)).outcome is Outcome.GREEN
    assert (await site.view(site.queued)).outcome is Outcome.CANCELLED


async def test_its_owner_is_signed_in(site: Site) -> None:
    async with site.browser() as browser:
        assert (await browser.get("/api/session")).json()["email"] == "ada@example.com"
    async with site.browser(site.stranger) as browser:
        assert (await browser.get("/api/session")).json()["email"] == "eve@example.org"


async def test_it_is_served(tmp_path: Path) -> None:
    async with (
        serve_site(tmp_path) as served,
        httpx2.AsyncClient(
            base_url=served.url, verify=ssl.create_default_context(cafile=served.authority)
        ) as visitor,
    ):
        assert (await visitor.get("/health")).json() == {"status": "ok"}
