"""How long the logs of ended builds are kept, and whether the clock can be believed when they are destroyed.

    days of the installation ┐
                             ├ keeping ─▶ kept_until, is_due
    days of the project ─────┘              ▲
    the database's clock ──── look ─────────┘   a clock that jumped destroys nothing for a day

What is destroyed does not come back, and all that says that a log is old is a clock. So each round of the
sweep looks at it and keeps what it saw. A clock that ran on as clocks do is believed. One that jumped, or
that nobody has seen before, is believed once it has run on for a day: time to read the warning and to mend
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

DAY = 24 * 3600.0

DEFAULT_DAYS = 30
"""Of an installation: a failure is looked into within days, a flaky test within weeks, and what must be known
for longer stands in the receipt. Who needs more says so; who says nothing has a CI that forgets."""

MOST_DAYS = 36_500
FOR_EVER = 0

STOPPED_FOR_MOST = 8 * DAY
"""Between two looks: a server that is stopped for a week is not taken for a clock that jumped. A jump that is
shorter is not seen, and destroys logs by as much too early."""

BACK_MOST = 300.0
"""Seconds that a clock may be set back, as it is when it is compared with others."""

HELD_FOR = DAY


@dataclass(frozen=True)
class Keeping:
    """days: after a build's end; `FOR_EVER`. by_project: its own settings say so."""

    days: int
    by_project: bool

    @property
    def why(self) -> str:
        """Why a log is gone, as `core.log.LogRemoval` has it."""
        whose = "project" if self.by_project else "installation"
        return f"after {self.days} day{'' if self.days == 1 else 's'}, as the {whose}'s settings say"


@dataclass(frozen=True)
class ClockSeen:
    """looked_at: by the clock, when it was looked at last. steady_since: from then on it did not jump. Both
    in seconds since 1970."""

    looked_at: float
    steady_since: float


@dataclass(frozen=True)
class Look:
    """now: by the clock. steady_since: as of `ClockSeen`. jumped: by how many seconds, just now; None if it
    did not."""

    now: float
    steady_since: float
    jumped: float | None = None

    @property
    def held_until(self) -> float | None:
        """Nothing is destroyed before then; None if the clock is believed."""
        until = self.steady_since + HELD_FOR
        return until if self.now < until else None

    @property
    def seen(self) -> ClockSeen:
        """To be kept until the next look."""
        return ClockSeen(self.now, self.steady_since)


@dataclass(frozen=True)
class EndedBuild:
    """A build that has ended and whose logs are there. attempts: how many there were."""

    id: str
    account: str
    project: str
    attempts: int
    ended_at: float
    keeping: Keeping


def keeping(installation: int, project: int | None) -> Keeping:
    """How long logs are kept. installation: days, `FOR_EVER`. project: days, None for what the installation
    says; it only ever shortens."""
    if project is None or project == FOR_EVER or (installation != FOR_EVER and project >= installation):
        return Keeping(installation, by_project=False)
    return Keeping(project, by_project=True)


def kept_until(ended_at: float | None, kept: Keeping) -> float | None:
    """Until when the logs of a build are kept. None: for ever, or it has not ended."""
    if ended_at is None or kept.days == FOR_EVER:
        return None
    return ended_at + kept.days * DAY


def look(before: ClockSeen | None, now: float) -> Look:
    """What to make of the clock. before: what was seen last, None if it never was."""
    if before is None:
        return Look(now, now)
    passed = now - before.looked_at
    if -BACK_MOST <= passed <= STOPPED_FOR_MOST:
        return Look(now, min(before.steady_since, now))
    return Look(now, now, passed)


def is_due(build: EndedBuild, seen: Look) -> bool:
    """Whether its logs are to be destroyed now. A build that ended in the future did so before the clock was
    set back: its time is counted from there."""
    if seen.held_until is not None:
        return False
    ended_at = seen.steady_since if build.ended_at > seen.now + BACK_MOST else build.ended_at
    until = kept_until(ended_at, build.keeping)
    return until is not None and until <= seen.now


class EndedBuilds(Protocol):
    """The ended builds whose logs nobody has swept. Each call is one transaction; TemporaryError if the
    records cannot be reached."""

    async def look(self) -> Look:
        """Look at the clock that builds end by, and keep what was seen, for every website."""
        ...

    async def old(self, seen: Look, installation: int, limit: int) -> Sequence[EndedBuild]:
        """Those that would be due were the clock believed, about so many at most. installation: days."""
        ...

    async def swept(self, build: str) -> None:
        """Its logs are gone; it is not told again."""
        ...
