"""For a process that lives no longer than whoever started it: its standard input is a pipe that the other
holds, and ends when that process does, however it ends."""

from __future__ import annotations

import asyncio
import os
import stat

from sealock.core.errors import UsageError


async def end_of_input() -> None:
    """Wait for the end of standard input; what comes in is thrown away. UsageError if it is no pipe."""
    if not stat.S_ISFIFO(os.fstat(0).st_mode):
        raise UsageError(
            "--attended needs a pipe as standard input",
            resolution="It is for a process that starts this one; by hand, leave it out.",
        )
    ended, loop = asyncio.Event(), asyncio.get_running_loop()

    def look() -> None:
        if not os.read(0, 4096):
            ended.set()

    loop.add_reader(0, look)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(0)
