"""Where a build's time went, and how that differs from the last green one."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, StepState
from sealock.core.builds import BuildView, PhaseView, StepView
from sealock.web.pages.waterfall import Waterfall, waterfall
from tests.support.build_views import RED as BUILD

GREEN = replace(
    BUILD,
    number=6,
    outcome=Outcome.GREEN,
    ended_at=1061.2,
    phases=(PhaseView("machine", 1010.0, 1015.2, ok=True), PhaseView("test:unit", 1015.2, 1061.2, ok=True)),
)


def test_the_wait_and_each_phase_have_a_bar_where_they_were() -> None:
    found = waterfall(BUILD, None, now=0)
    assert [(bar.name, bar.start, bar.width, bar.seconds, bar.looks) for bar in found.bars] == [
        ("queue", 0, 10, 10, "queue"),
        ("machine", 10, 5, 5, "ok"),
        ("unit", 15, 85, 85, "bad"),
    ]
    assert (found.seconds, found.green, found.difference) == (100, None, None)


def test_what_was_stopped_is_not_told_to_have_failed() -> None:
    cancelled = replace(BUILD, outcome=Outcome.CANCELLED)
    assert [bar.looks for bar in waterfall(cancelled, None, now=0).bars] == ["queue", "ok", "stopped"]
    step = StepView(1, "unit", "test", StepState.STOPPED)
    silent = replace(BUILD, outcome=Outcome.SILENT, steps=(step,))
    assert [bar.looks for bar in waterfall(silent, None, now=0).bars] == ["queue", "ok", "stopped"]


def test_each_differs_from_the_last_green_build_if_it_is_worth_saying() -> None:
    found = waterfall(BUILD, GREEN, now=0)
    assert [bar.difference for bar in found.bars] == [None, None, 39.0]
    assert round(found.difference or 0, 3) == 38.8 and found.green == 6
    assert [bar.before for bar in found.bars] == [10, 15.2, 61]


def test_what_there_is_twice_is_told_apart_and_compared_with_its_like() -> None:
    def two(build: BuildView, first: float, second: float) -> BuildView:
        middle = 1010 + first
        end = middle + second
        phases = (
            PhaseView("machine", 1010.0, middle, ok=True),
            PhaseView("machine", middle, end, ok=True),
        )
        return replace(build, phases=phases, ended_at=end)

    found = waterfall(two(BUILD, 1, 30), two(GREEN, 20, 11), now=0)
    assert [bar.name for bar in found.bars] == ["queue", "machine", "machine 2"]
    assert [bar.difference for bar in found.bars] == [None, -19, 19]
    assert found.difference is None and found.has_second_machine, "both took 41 s"


def test_what_goes_on_ends_now_and_is_only_compared_once_it_takes_longer() -> None:
    phases = (BUILD.phases[0], PhaseView("test:unit", 1015.0))
    going = replace(BUILD, state=BuildState.RUNNING, outcome=None, ended_at=None, phases=phases)
    early, late = waterfall(going, GREEN, now=1030), waterfall(going, GREEN, now=1090)
    assert (early.bars[-1].seconds, early.bars[-1].looks, early.bars[-1].difference) == (15, "running", None)
    assert late.bars[-1].difference == 29 and late.difference is None


def test_what_waits_has_a_bar_that_grows() -> None:
    queued = replace(
        BUILD, state=BuildState.QUEUED, outcome=None, started_at=None, ended_at=None, attempt=0, phases=()
    )
    (bar,) = waterfall(queued, GREEN, now=1025).bars
    assert (bar.looks, bar.seconds, bar.start, bar.width) == ("wait", 25, 0, 100)


def test_a_phase_that_never_ended_is_bad_once_the_build_has() -> None:
    lost = replace(BUILD, outcome=Outcome.MACHINE_LOST, phases=(PhaseView("fetch", 1010.0),))
    assert [(bar.looks, bar.seconds) for bar in waterfall(lost, None, now=9e9).bars] == [
        ("queue", 10),
        ("bad", 90),
    ]


TIMES = st.floats(0, 4e9)
PHASES = st.lists(
    st.builds(PhaseView, st.sampled_from(["machine", "fetch", "test:a"]), TIMES, st.none() | TIMES),
    max_size=5,
)


@given(PHASES, TIMES, st.none() | TIMES, TIMES, st.none() | PHASES)
def test_whatever_the_clocks_say_every_bar_is_within_the_table(
    phases: list[PhaseView], created: float, ended: float | None, now: float, before: list[PhaseView] | None
) -> None:
    build = replace(BUILD, phases=tuple(phases), created_at=created, ended_at=ended)
    green = None if before is None else replace(GREEN, phases=tuple(before))
    found: Waterfall = waterfall(build, green, now)
    for bar in found.bars:
        assert 0 <= bar.start <= 100 and 0 < bar.width <= 100 and bar.seconds >= 0
        assert bar.start + bar.width <= 100.01
        assert bar.before is None or 0 <= bar.before <= 100
