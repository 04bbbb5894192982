"""Destroys the logs of ended builds that are older than the settings say: a few in each round, for ever.

A log goes as it does when somebody asks for it: its key first, then itself; a note stays. Only when all of a
build's logs are gone is the build marked. So a round that is cut short anywhere is gone on with by the next,
of this website or another, and two at the same time do what one does.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from sealock.core.builds import run_id
from sealock.core.errors import SealockError, UsageError
from sealock.core.log_pages import LogShelf
from sealock.core.log_retention import EndedBuild, EndedBuilds, Look, is_due

log = logging.getLogger(__name__)

MOST = 100
"""Builds of one round."""

EVERY, SOON = 600.0, 60.0
"""Seconds until the next round, and after one that found as many as it may."""

BY = "sealock"


class LogSweep:
    """days: for which the installation keeps logs."""

    def __init__(self, ended: EndedBuilds, logs: LogShelf, days: int) -> None:
        self._ended, self._logs, self._days = ended, logs, days
        self._failed: set[str] = set()
        self._told_of = 0.0

    async def run(self) -> None:
        """One round after the other, until it is cancelled."""
        while True:
            swept = 0
            try:
                swept = await self.round()
            except SealockError as error:
                log.warning("old logs were not looked for: %s", error)
            await asyncio.sleep(SOON if swept >= MOST else EVERY)

    async def round(self) -> int:
        """Destroy the logs of some builds; of how many. TemporaryError if the records cannot be reached."""
        seen = await self._ended.look()
        if seen.held_until is not None:
            await self._tell_held(seen)
            return 0
        found = await self._ended.old(seen, self._days, MOST + len(self._failed))
        due = [one for one in found if is_due(one, seen) and one.id not in self._failed][:MOST]
        if not due:
            self._failed.clear()  # they are tried again
        done = [await self._sweep(one) for one in due]
        return sum(done)

    async def _sweep(self, build: EndedBuild) -> bool:
        try:
            for attempt in range(1, build.attempts + 1):
                await self._remove(build, run_id(build.id, attempt))
            await self._ended.swept(build.id)
        except (SealockError, OSError) as error:  # one file that cannot be read is no end of a website
            log.warning("the logs of build %s are old and could not be removed: %s", build.id, error)
            self._failed.add(build.id)
            return False
        log.info("the logs of build %s were removed %s", build.id, build.keeping.why)
        return True

    async def _remove(self, build: EndedBuild, run: str) -> None:
        try:
            await self._logs.remove(build.account, build.project, run, person=BY, why=build.keeping.why)
        except UsageError:
            return  # there was none, or it is gone already

    async def _tell_held(self, seen: Look) -> None:
        """Once for each jump, and for a first look that would destroy something."""
        if seen.steady_since == self._told_of or seen.held_until is None:
            return
        would = await self._ended.old(seen, self._days, 1)
        if seen.jumped is None and not would:
            return
        self._told_of = seen.steady_since
        what = "is looked at for the first time" if seen.jumped is None else "did not run on steadily"
        log.warning(
            "the database's clock, %s, %s: %s is removed before %s. If the clock is wrong, set it right "
            "until then; if logs are to be kept for longer, change keep_logs",
            _moment(seen.now),
            what,
            "no old log" if would else "no log",
            _moment(seen.held_until),
        )


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
