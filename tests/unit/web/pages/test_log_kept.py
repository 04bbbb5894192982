"""Until when a log is kept, and why it is gone, on a build's page; and the setting on its project's."""

from __future__ import annotations

import time
from dataclasses import replace

import httpx2
import pytest

from sealock.core.log_retention import DAY
from sealock.core.project_settings import ProjectSettings
from sealock.core.sealed import LOCAL_ACCOUNT
from sealock.web.app import make_app
from sealock.web.pages.shown import day
from tests.support.site import Site
from tests.unit.web.pages.conftest import HTML
from tests.unit.web.pages.test_project_settings import FORM

pytestmark = pytest.mark.anyio


def keep(site: Site, days: int) -> None:
    """What the installation says."""
    service = site.ports.service
    assert service is not None
    said = replace(service, site=replace(service.site, keep_logs=days))
    site.app = make_app(replace(site.ports, service=said), site.origin)


async def page(site: Site, path: str) -> str:
    async with site.browser(None, **HTML) as browser:
        return (await browser.get(path)).text


async def test_a_build_s_page_says_until_when_its_log_is_kept(site: Site) -> None:
    ended_at = (await site.view(site.red)).ended_at
    assert ended_at is not None
    assert "Kept until" not in await page(site, f"/builds/{site.red}")  # for ever
    keep(site, 30)
    assert f"Kept until {day(ended_at + 30 * DAY)}, then destroyed." in await page(
        site, f"/builds/{site.red}"
    )
    await site.projects.change(LOCAL_ACCOUNT, site.project.id, ProjectSettings(keep_logs=3))
    assert f"Kept until {day(ended_at + 3 * DAY)}, then destroyed." in await page(site, f"/builds/{site.red}")
    assert "Kept until" not in await page(site, f"/builds/{site.running}")


async def test_a_build_s_page_says_when_and_why_its_log_is_gone(site: Site) -> None:
    keep(site, 30)
    why = "after 30 days, as the project's settings say"
    await site.shelf.remove(LOCAL_ACCOUNT, site.project.id, site.red, person="sealock", why=why)
    told = await page(site, f"/builds/{site.red}")
    assert f"was removed on {time.strftime('%Y-%m-', time.gmtime())}" in told
    assert ", after 30 days, as the project&#39;s settings say." in told
    assert "Kept until" not in told


async def test_the_days_are_a_setting_of_the_project(site: Site, browser: httpx2.AsyncClient) -> None:
    path = f"/projects/{site.project.id}/settings"
    keep(site, 30)
    assert "what the installation says, 30 days; a project only shortens that." in await page(site, path)
    answer = await browser.post(path, data=FORM | {"keep_logs": "9"})
    assert answer.status_code == 303
    assert (await site.projects.settings(LOCAL_ACCOUNT, site.project.id)).keep_logs == 9
    assert 'value="9"' in await page(site, path)
    for wrong in ("0", "-1", "x", "36501"):
        assert (await browser.post(path, data=FORM | {"keep_logs": wrong})).status_code == 422
    await browser.post(path, data=FORM | {"keep_logs": ""})
    assert (await site.projects.settings(LOCAL_ACCOUNT, site.project.id)).keep_logs is None
