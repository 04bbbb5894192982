"""What a build was given, over all of its attempts: each has an id of its own with the keeper."""

from __future__ import annotations

import httpx2
import pytest
from sqlalchemy import update

from sealock.core.builds import run_id
from sealock.core.release import Basis, Entry, Released
from sealock.store.database.tables import builds
from tests.support.site import Site

pytestmark = pytest.mark.anyio


def released(run: str, sequence: int, name: str) -> Entry:
    fact = Released(
        account="local",
        project="p",
        kind="variable",
        name=name,
        version=1,
        basis=Basis.LEASE,
        reason="r",
        build=run,
        attempt=1,
        step="setup",
        to="worker",
        via="web",
        key="k",
    )
    return Entry(sequence, 5.0, fact, "0" * 64, "1" * 64)


async def test_every_attempts_secrets_are_listed(site: Site, api: httpx2.AsyncClient) -> None:
    async with site.database.write() as connection:
        await connection.execute(update(builds).where(builds.c.id == site.red).values(attempt=3))
    for attempt, name in ((1, "FIRST"), (2, "LOST"), (3, "LAST"), (4, "NEVER")):
        run = run_id(site.red, attempt)
        site.exposures.entries.append(released(run, 10 + attempt, name))
    told = (await api.get(f"builds/{site.red}/exposures")).json()["items"]
    assert [(one["attempt"], one["name"]) for one in told] == [(1, "FIRST"), (2, "LOST"), (3, "LAST")]
