"""The authority's certificate is there for anybody, where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.site import make_site
from tests.support.website import ORIGIN

pytestmark = pytest.mark.anyio
CERTIFICATE = b"-----BEGIN CERTIFICATE-----\n"


async def test_the_authority_is_given_to_whoever_asks(tmp_path: Path) -> None:
    async with make_site(tmp_path, ORIGIN, CERTIFICATE) as site, site.client() as anybody:
        answer = await anybody.get("/authority.pem")
        assert (answer.status_code, answer.content) == (200, CERTIFICATE)


async def test_an_operators_own_certificate_has_none(tmp_path: Path) -> None:
    async with make_site(tmp_path) as site, site.client() as anybody:
        assert (await anybody.get("/authority.pem")).status_code == 404
