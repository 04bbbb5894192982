"""Notes in a build's record when its key was opened and removed, also when the fetch fails between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sealock.core.build import BuildRecord
from sealock.core.keys import Agents, OpenKey
from sealock.core.secret import Secret


class WitnessedAgents:
    """The agents of one build: whatever they open stands in its record."""

    def __init__(self, agents: Agents, record: BuildRecord) -> None:
        self._agents = agents
        self._record = record

    @asynccontextmanager
    async def agent(
        self, private_key: Secret, *, host: str, host_keys: tuple[str, ...], lifetime: float
    ) -> AsyncIterator[OpenKey]:
        """As `core.keys.Agents.agent`."""
        opened: OpenKey | None = None
        try:
            async with self._agents.agent(
                private_key, host=host, host_keys=host_keys, lifetime=lifetime
            ) as opened:
                self._record.key_opened_at = opened.opened_at
                self._record.key_removed_at = None
                yield opened
        finally:
            if opened is not None:
                self._record.key_removed_at = opened.removed_at
