"""What docs/redis.md tells to set up is enough, and no more than it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from redis.exceptions import NoPermissionError

from sealock.core.queue import WORK
from sealock.core.secret import Secret
from sealock.store.redis.address import server_of
from sealock.store.redis.rates import shared_counts
from sealock.store.redis.wakeups import redis_wakeups
from sealock.web.rates import Rate, Rates
from tests.support.redis import redis_process

pytestmark = pytest.mark.anyio

DOCS = Path(__file__).parents[2] / "docs" / "redis.md"


async def test_the_user_that_the_docs_tell_to_make_is_enough_and_may_nothing_else() -> None:
    users = re.findall(r"^user (.+)$", DOCS.read_text(), re.MULTILINE)
    said: list[str] = []
    with redis_process(users) as redis:
        url = Secret(f"rediss://sealock:A-LONG-RANDOM-PASSWORD@127.0.0.1:{redis.port}".encode())
        server = server_of(url, redis.authority)
        async with (
            redis_wakeups(server, said.append) as here,
            redis_wakeups(server, said.append) as there,
            there.subscribe(WORK) as work,
            shared_counts(server) as one,
            shared_counts(server) as other,
        ):
            await work.wait(1)
            await here.tell(WORK)
            assert await work.wait(5)
            rate = Rate("a", "3/minute")
            sites = (Rates(one), Rates(other))
            answers = [bool(await site.count(rate, "192.0.2.1")) for site in sites * 3]
            assert answers == [True] * 3 + [False] * 3, "counted together"
        assert said == []
        client = server.client()
        allowed = []
        for command in ("CONFIG GET *", "ACL LIST", "GET other", "FLUSHALL", "SHUTDOWN", "KEYS *"):
            try:
                await client.execute_command(*command.split())  # type: ignore[no-untyped-call]
            except NoPermissionError:
                continue
            allowed.append(command)
        await client.aclose()
        assert allowed == []
