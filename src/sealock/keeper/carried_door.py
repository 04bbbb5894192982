"""A keeper reached by somebody who carries frames there and back, and understands none of the answers.

A worker has no way of its own to the keeper. The website carries what it asks, after a look at it; what
comes back is sealed to the worker's one-time key, and bound to this very request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sealock.core.lease import KeeperAway

Carry = Callable[[bytes], Awaitable[bytes]]
"""Takes the content of a frame to the keeper, and returns that of the one it answers with."""


@dataclass(frozen=True)
class CarriedDoor:
    """carry: raises SealockError for whatever goes wrong on the way."""

    carry: Carry

    async def exchange(self, content: bytes) -> bytes:
        """The content of the frame that answers this one."""
        return await self.carry(content)

    def told(self, error: Exception) -> KeeperAway:
        """What to tell of an error on the way."""
        return KeeperAway(str(error) or "no reply in time")
