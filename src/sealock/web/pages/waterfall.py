"""Where a build's time went: one bar for each stretch of it, and how each differs from the last green build.

Pure: two builds and a clock in, rows out. The page makes a table of them, whose bars are drawn in per cent,
so that it is as wide as the reader's window and read aloud like any table.

A build may have two machines: one that `sealock.yml` is read in, and the one that it asks for. What is of the
second is called so, `fetch 2`, and is compared with the second of the other build.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sealock.core.build_state import BuildState
from sealock.core.builds import BuildView, PhaseView
from sealock.web.pages.build_words import stopped_phases

WORTH_SAYING = 0.5
"""Seconds. Less than that is not called a difference."""

QUEUE = "queue"


@dataclass(frozen=True)
class Bar:
    """name: as people read it. start, width, before: per cent of the whole; before is where the bar would
    have ended in the last green build, None if that had no such stretch. seconds: how long it took, so far
    if it is `running`. difference: seconds more than in the last green build, None if there is nothing to
    say. looks: `ok`, `bad`, `stopped`, `running`, `queue` or `wait`."""

    name: str
    start: float
    width: float
    before: float | None
    seconds: float
    difference: float | None
    looks: str
    detail: str = ""


@dataclass(frozen=True)
class Waterfall:
    """bars: in order. seconds: all of it. difference: to the last green build. green: its number."""

    bars: Sequence[Bar]
    seconds: float
    difference: float | None
    green: int | None

    @property
    def has_second_machine(self) -> bool:
        """Whether one that read `sealock.yml` gave way to the one it asks for."""
        return any(bar.name == "machine 2" for bar in self.bars)


@dataclass(frozen=True)
class _Stretch:
    name: str
    begin: float
    end: float
    looks: str
    detail: str = ""

    @property
    def seconds(self) -> float:
        return max(0.0, self.end - self.begin)


def waterfall(build: BuildView, green: BuildView | None, now: float) -> Waterfall:
    """Of a build. green: the last green one before it. now: seconds since 1970, where it still goes on."""
    found = _stretches(build, now)
    begin = build.created_at
    whole = max((each.end for each in found), default=begin) - begin
    whole = max(whole, 0.001)
    then = _stretches(green, now) if green else []
    before = {each.name: each.seconds for each in then}
    bars = [_bar(each, begin, whole, before) for each in found]
    difference = None
    if green and then and build.state is BuildState.ENDED:
        difference = _worth(whole - (max(each.end for each in then) - green.created_at))
    return Waterfall(bars, whole, difference, green.number if green else None)


def _bar(stretch: _Stretch, begin: float, whole: float, before: dict[str, float]) -> Bar:
    seconds = stretch.seconds
    then = before.get(stretch.name)
    start = _per_cent(stretch.begin - begin, whole)
    running = stretch.looks in ("running", "wait") and then is not None and seconds < then
    difference = None if then is None or running else _worth(seconds - then)
    # A stretch of no length is there, too.
    width = max(0.4, min(100.0 - start, _per_cent(seconds, whole)))
    mark = None if then is None else min(100.0, start + _per_cent(then, whole))
    return Bar(
        _spoken(stretch.name),
        min(start, 99.6),
        width,
        mark,
        seconds,
        difference,
        stretch.looks,
        stretch.detail,
    )


def _stretches(build: BuildView, now: float) -> list[_Stretch]:
    """The wait, then the attempt's phases, in order. The worker's clock may differ from ours: nothing begins
    before the build was asked for, and nothing ends before it began."""
    phases = sorted(build.phases, key=lambda phase: phase.started_at)
    begun = phases[0].started_at if phases else build.started_at
    over = build.ended_at if build.ended_at is not None else now
    waited = max(build.created_at, over if begun is None else min(begun, over))
    stopped = stopped_phases(build)
    looks = "wait" if begun is None and build.ended_at is None else "queue"
    found = [_Stretch(QUEUE, build.created_at, waited, looks)] + [
        _phase(phase, build, over, stopped) for phase in phases
    ]
    return _told_apart(found)


def _told_apart(stretches: list[_Stretch]) -> list[_Stretch]:
    counted: Counter[str] = Counter()
    found = []
    for each in stretches:
        counted[each.name] += 1
        number = counted[each.name]
        found.append(each if number == 1 else replace(each, name=f"{each.name} {number}"))
    return found


def _phase(phase: PhaseView, build: BuildView, over: float, stopped: frozenset[str]) -> _Stretch:
    begin = max(build.created_at, phase.started_at)
    end = max(begin, over if phase.ended_at is None else phase.ended_at)
    goes_on = phase.ended_at is None and build.ended_at is None
    looks = "running" if goes_on else "ok" if phase.ok else "stopped" if phase.name in stopped else "bad"
    return _Stretch(phase.name, begin, end, looks, phase.detail)


def _spoken(name: str) -> str:
    return name.removeprefix("test:")


def _per_cent(part: float, whole: float) -> float:
    return round(min(100.0, max(0.0, 100.0 * part / whole)), 3)


def _worth(difference: float) -> float | None:
    return difference if abs(difference) >= WORTH_SAYING else None
