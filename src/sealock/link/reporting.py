"""Sends what is to be shown of a build while it runs: what is new within a quarter of a second, and all of it
each time."""

from __future__ import annotations

import asyncio

from sealock.builds.described import Described
from sealock.core.build import Outcome
from sealock.core.errors import PermanentError, TemporaryError
from sealock.core.event import Event, Output
from sealock.core.plan import Plan
from sealock.link.job import JobLink
from sealock.link.progress import Told

EVERY = 0.25
"""Seconds between two reports at least."""

LONGEST_PAUSE = 3.0
"""Seconds between two tries while the website is away."""


class Reporting:
    """Of one build; it begins at once. What cannot be told is left: a build does not end because nobody sees
    it, and whether it is still ours is for its beats to find."""

    def __init__(self, link: JobLink) -> None:
        self._link = link
        self._told = Told()
        self._dirty = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def take(self, event: Event) -> None:
        """As `core.event.Emit`."""
        self._told.take(event)
        if not isinstance(event, Output):
            self._dirty.set()

    def planned(self, plan: Plan, described: Described) -> None:
        """As `builds.request.Planned`."""
        self._told.planned(plan, described)
        self._dirty.set()

    async def finish(self, outcome: Outcome) -> None:
        """Say the last of it. TemporaryError or PermanentError if that cannot be said."""
        await self.give_up()
        self._told.finish(outcome)
        await self._link.progress(self._told.progress())

    async def give_up(self) -> None:
        """Say no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        pause = EVERY
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._link.progress(self._told.progress())
                pause = EVERY
            except TemporaryError:
                self._dirty.set()
                pause = min(2 * pause, LONGEST_PAUSE)
            except PermanentError:
                return
            await asyncio.sleep(pause)
