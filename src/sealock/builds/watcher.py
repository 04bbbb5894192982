"""Whoever watches a build: told what happens, and asked whether they can keep up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sealock.core.event import Emit

Drained = Callable[[], Awaitable[None]]
"""Returns when what was told so far has been taken in, or nearly so."""


async def at_once() -> None:
    """Of a watcher who is never slow."""


@dataclass(frozen=True)
class Watcher:
    """emit never waits; the build waits for `drained` after each piece of output, where it can still be
    cancelled and its time still runs out."""

    emit: Emit
    drained: Drained = at_once
