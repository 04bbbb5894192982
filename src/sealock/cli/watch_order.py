"""Puts what is told of a build into the order it happened in.

How a build stands and what it prints come by two ways, and neither waits for the other: a step's first line
is often here before the step's name. So each thing is held for a moment, and told by its time on the worker.
A line's time is that of the piece of the log it is in, half a second coarse; where it is known which step a
line is of, it is told within that step whatever its time says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import NamedTuple

HELD = 1.5
"""Seconds for which a thing is held, so that what was before it can come: a look at the build each second
(`watching.EVERY`), and what the worker takes to tell of a step."""

OFTEN = 0.05
"""Seconds between two looks at what is held, which may be a log of many lines."""


class What(IntEnum):
    """In the order in which things of one moment are told."""

    BEGUN = 0
    LINE = 1
    ENDED = 2


class Window(NamedTuple):
    """When a step ran, on the worker, and the first line of its output. ended: None while it runs."""

    first_line: int
    begun: float
    ended: float | None


class _Thing(NamedTuple):
    """at: when it happened, on the worker. came: its place among all that came. since: when it came here.
    line: its number, 0 for what is no line."""

    at: float
    what: What
    came: int
    since: float
    line: int
    tell: Callable[[], None]


class InOrder:
    """clock: seconds, never back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._things: list[_Thing] = []
        self._windows: Sequence[Window] = ()
        self._came = 0
        self._next = 0.0

    def steps(self, windows: Sequence[Window]) -> None:
        """The steps that are known by now, in their order."""
        self._windows = windows

    def put(self, at: float | None, tell: Callable[[], None], what: What = What.LINE, line: int = 0) -> None:
        """`tell` is called once it is its turn. at: None if nobody knows, which is before all else."""
        self._came += 1
        self._things.append(
            _Thing(at if at is not None else 0.0, what, self._came, self._clock(), line, tell)
        )

    def tell(self, *, all_of_it: bool = False) -> None:
        """Tell what was held for long enough, and what was before it; or all that there is. It is asked with
        each line, and looks `OFTEN` enough."""
        now = self._clock()
        if now < self._next and not all_of_it:
            return
        self._next = now + OFTEN
        until = now - HELD
        if not any(all_of_it or one.since <= until for one in self._things):
            return
        things = sorted(self._things, key=self._place)
        ripe = [place for place, one in enumerate(things, 1) if all_of_it or one.since <= until]
        self._things = things[ripe[-1] :]
        for one in things[: ripe[-1]]:
            one.tell()

    def _place(self, thing: _Thing) -> tuple[float, What, int]:
        at = thing.at
        if thing.line:
            of = next((one for one in reversed(self._windows) if one.first_line <= thing.line), None)
            if of is not None:
                at = max(of.begun, at if of.ended is None else min(at, of.ended))
        return at, thing.what, thing.came
