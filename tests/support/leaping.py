"""A clock that goes on only by being waited for, and at once: what depends on seconds takes none, and comes
out the same on a host that is busy."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

Result = TypeVar("Result")


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        super().__init__()
        self._now = 1000.0
        self._look = self._selector.select  # type: ignore[attr-defined]
        self._selector.select = self._leap  # type: ignore[attr-defined]

    def time(self) -> float:
        return self._now

    def _leap(self, timeout: float | None) -> Any:
        """As a selector does; when nothing is there yet, the time that it may take has passed."""
        found = self._look(0)
        if not found and timeout:
            self._now += timeout
        return found


def leaping(work: Coroutine[Any, Any, Result]) -> Result:
    """Run it by such a clock, which `time.monotonic` tells as well. It may wait for time and for itself, not
    for threads or other processes."""
    with asyncio.Runner(loop_factory=_Loop) as runner, pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.monotonic", runner.get_loop().time)
        return runner.run(work)
