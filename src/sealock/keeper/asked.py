"""How what is asked of the keeper about keys is asked: one request after the other, each its own reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sealock.core.lease import KeeperAway
from sealock.keeper.protocol import Reply, Request

Ask = Callable[[Request], Awaitable[Reply]]
"""Sends a request. Raises what `keeper.client.KeeperClient.ask` does, and what the keeper says went wrong."""

R = TypeVar("R")


async def ask_for(ask: Ask, request: Request, kind: type[R]) -> R:
    """The reply, which is of that kind. KeeperAway for one of another."""
    reply = await ask(request)
    if not isinstance(reply, kind):
        raise KeeperAway("it answered something else than what was asked for")
    return reply
