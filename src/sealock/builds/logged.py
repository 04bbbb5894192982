"""What a build tells its watcher, kept in its log as well: output as lines, the rest as marks.

Output is sealed and kept within half a second, so that who reads the log of a running build is not far
behind, and a worker that is killed loses no more than that. A build whose log cannot be kept ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sealock.builds.watcher import Watcher
from sealock.core.errors import PermanentError
from sealock.core.event import Event, Output
from sealock.core.event_text import to_text
from sealock.core.log import LogWriter

LATEST = 0.5
"""Seconds after which what was told is kept."""


@asynccontextmanager
async def logged(watcher: Watcher, log: LogWriter) -> AsyncIterator[Watcher]:
    """A watcher that keeps what it is told and hands it on. Leaving the block closes the log.

    Its `emit`, or leaving the block, raises PermanentError once if the log cannot be kept.
    """
    keeping = _Keeping(watcher, log)
    try:
        yield Watcher(keeping.emit, watcher.drained)
    except BaseException:
        # What broke the build off is what its user must hear of; the log says itself that it has no end.
        with suppress(PermanentError):
            keeping.close()
        raise
    keeping.close()


class _Keeping:
    """failed: the log cannot be kept, and that was told."""

    def __init__(self, watcher: Watcher, log: LogWriter) -> None:
        self._emit = watcher.emit
        self._log = log
        self._timer: asyncio.TimerHandle | None = None
        self._problem: PermanentError | None = None
        self.failed = False

    def emit(self, event: Event) -> None:
        self._emit(event)
        if self.failed:
            return  # what ends the build is still told
        self._raise_problem()
        try:
            self._keep(event)
        except PermanentError:
            self.failed = True
            raise

    def _keep(self, event: Event) -> None:
        if isinstance(event, Output):
            self._log.write(event.data)
        else:
            self._log.mark(to_text(event))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LATEST, self._flush)

    def _flush(self) -> None:
        self._timer = None
        try:
            self._log.flush()
        except PermanentError as problem:
            self._problem = problem

    def _raise_problem(self) -> None:
        if self._problem is not None:
            self.failed = True
            raise self._problem

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self.failed:
            self._log.close()
