"""When a key was opened and removed stands in the record, also when the fetch failed in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sealock.builds.witness import WitnessedAgents
from sealock.core.build import BuildRecord
from sealock.core.keys import OpenKey
from sealock.core.secret import Secret

pytestmark = pytest.mark.anyio


class FakeAgents:
    @asynccontextmanager
    async def agent(
        self, private_key: Secret, *, host: str, host_keys: tuple[str, ...], lifetime: float
    ) -> AsyncIterator[OpenKey]:
        opened = OpenKey(Path("/none"), opened_at=100.0)
        try:
            yield opened
        finally:
            opened.removed_at = 101.5


@pytest.mark.parametrize("fails", [False, True])
async def test_both_times_are_noted(fails: bool) -> None:
    digest = "sha256:" + "0" * 64
    record = BuildRecord("b", "s", None, None, False, (), "base", digest, digest, digest, 0.0)
    agents = WitnessedAgents(FakeAgents(), record)
    try:
        async with agents.agent(Secret(b"key"), host="h", host_keys=(), lifetime=1.0):
            assert (record.key_opened_at, record.key_removed_at) == (100.0, None)
            if fails:
                raise ConnectionError
    except ConnectionError:
        assert fails
    assert (record.key_opened_at, record.key_removed_at) == (100.0, 101.5)
