"""A token can look at itself and end itself, and no other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sealock.core.access import Permission
from tests.support.site import Site, make_site

pytestmark = pytest.mark.anyio
TOKEN = "/api/v1/token"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with make_site(tmp_path) as made:
        yield made


async def test_a_token_says_whose_it_is(site: Site) -> None:
    async with site.program(Permission.BUILDS_READ) as program:
        told = (await program.get(TOKEN)).json()
    assert told["person"]["email"] == "ada@example.com"
    assert told["permissions"] == ["account:builds:read"]
    assert "slk_" not in str(told) and "digest" not in told


async def test_a_token_ends_itself_alone(site: Site) -> None:
    async with site.program() as one, site.program() as other:
        assert (await one.delete(TOKEN)).status_code == 204
        assert (await one.get(TOKEN)).status_code == 401
        assert (await other.get(TOKEN)).status_code == 200


async def test_a_browser_shows_none(site: Site) -> None:
    async with site.browser() as browser, site.client() as nobody:
        assert (await browser.get(TOKEN)).status_code == 404
        assert (await nobody.get(TOKEN)).status_code == 401
