"""Puts what is told of a build into the order it happened in.

How a build stands and what it prints come by two ways, and neither waits for the other: a step's first line
is often here before the step's name. So each thing is held for a moment, and told by its time on the worker.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from typing import NamedTuple

HELD = 1.5
"""Seconds for which a thing is held, so that what was before it can come: a look at the build each second
(`watching.EVERY`), and what the worker takes to tell of a step."""


class _Thing(NamedTuple):
    """at: when it happened, on the worker. came: its place among all that came. since: when it came here."""

    at: float
    came: int
    since: float
    tell: Callable[[], None]


class InOrder:
    """clock: seconds, never back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._things: list[_Thing] = []
        self._came = 0

    def put(self, at: float | None, tell: Callable[[], None]) -> None:
        """`tell` is called once it is its turn. at: None if nobody knows, which is before all else."""
        self._came += 1
        thing = _Thing(at if at is not None else 0.0, self._came, self._clock(), tell)
        heapq.heappush(self._things, thing)

    def tell(self, *, all_of_it: bool = False) -> None:
        """Tell what was held for long enough, and what was before it; or all that there is."""
        until = self._clock() - HELD
        ripe = [one for one in self._things if all_of_it or one.since <= until]
        last = max(ripe, default=None)
        while last is not None and self._things and self._things[0] <= last:
            heapq.heappop(self._things).tell()
