"""Who waits for a build while what they showed is ended gets nothing for their wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sealock.core.access import Permission
from tests.support.site import make_site

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("how", ["a token", "a session"])
async def test_what_is_revoked_during_a_wait_is_told_nothing(tmp_path: Path, how: str) -> None:
    async with make_site(tmp_path) as site:
        who = site.program() if how == "a token" else site.browser()
        async with who as reader:
            path = f"/api/v1/builds/{site.running}"
            assert (await reader.get(path)).status_code == 200
            waiting = asyncio.create_task(reader.get(path, params={"wait": 30}))
            await asyncio.sleep(0.3)
            assert not waiting.done()
            for token in await site.tokens.all_of(site.owner):
                await site.tokens.revoke(site.owner, token.id)
            for session in await site.sessions.all_of(site.owner):
                await site.sessions.revoke(site.owner, session.id)
            await site.finish(site.running)
            answer = await asyncio.wait_for(waiting, 20)
    assert answer.status_code == 401
    assert "shop" not in answer.text


async def test_who_still_may_is_told(tmp_path: Path) -> None:
    async with make_site(tmp_path) as site, site.program(Permission.BUILDS_READ) as reader:
        waiting = asyncio.create_task(reader.get(f"/api/v1/builds/{site.running}", params={"wait": 30}))
        await asyncio.sleep(0.3)
        await site.finish(site.running)
        assert (await asyncio.wait_for(waiting, 20)).json()["status"] == "green"
