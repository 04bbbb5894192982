"""Cancels a piece of work once and then waits for it, however often it is asked to stop.

Ending a machine takes a moment and must not be cut short: a second Ctrl-C during it would leave the
machine running. So whoever waits here passes the first cancellation on and only waits after that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


async def cancelled_once(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, which sees at most one CancelledError and may answer it with a result."""
    task = asyncio.create_task(work)
    waiting = asyncio.current_task()
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            if waiting is not None:
                waiting.uncancel()
            if not task.cancelling():
                task.cancel()
    return task.result()
