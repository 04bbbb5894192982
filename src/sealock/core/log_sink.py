"""Where a worker's sealed log arrives at the server, piece by piece, by the id of its attempt.

The worker holds all of the file until the attempt has ended, so whatever happens on the way is answered by
sending again from where the server is.
"""

from __future__ import annotations

from typing import Protocol

LONGEST_LOG = 1 << 30
"""Bytes of a sealed log that are taken."""


class LogSink(Protocol):
    """Takes sealed logs in. run_id: as `core.builds.run_id` says. Whose attempt it is, the caller has seen
    to by the worker's fence. UsageError for what must never be kept: an id that is none, a log that was
    removed, bytes that are not of that log or not those that were kept before, more than `LONGEST_LOG`.
    TemporaryError if it cannot be written now."""

    async def append(self, run_id: str, offset: int, data: bytes) -> int:
        """Go on with the log: `data` are its bytes from `offset` on. How many bytes are kept now; the worker
        sends from there. What was kept before is left as it is; if `offset` is beyond, nothing is kept.
        Whoever follows the log is woken."""
        ...

    async def finish(self, run_id: str) -> int:
        """Have what is kept on the disk, before the attempt is said to have ended. How many bytes; 0 if
        there is none, or it was removed."""
        ...
