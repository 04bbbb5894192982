"""What is written down of frames and connections that were refused: so many lines a minute, and of
more, how many there were. So whoever sends one after the other fills no disk."""

from __future__ import annotations

import time
from collections.abc import Callable

MOST_LINES = 60
"""In a minute."""
MINUTE = 60.0


class Refusals:
    """log: takes a line. clock: seconds, of any beginning."""

    def __init__(self, log: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._clock = log, clock
        self._since, self._count = clock(), 0

    def note(self, line: str) -> None:
        """Write this down, unless there were too many."""
        now = self._clock()
        if now - self._since >= MINUTE:
            if self._count > MOST_LINES:
                self._log(f"refused {self._count - MOST_LINES} more, which are not written down")
            self._since, self._count = now, 0
        self._count += 1
        if self._count <= MOST_LINES:
            self._log(line)
