"""The website, and a program with a token for all that its owner may do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.support.site import Site, make_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with make_site(tmp_path) as made:
        yield made


@pytest.fixture
async def api(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with site.program() as program:
        program.base_url = f"{site.origin}/api/v1/"
        yield program


@pytest.fixture
async def browser(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with site.browser() as made:
        made.base_url = f"{site.origin}/api/v1/"
        yield made
