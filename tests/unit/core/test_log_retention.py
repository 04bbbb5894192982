"""How long logs are kept, and when a clock is believed: decisions over numbers."""

from __future__ import annotations

import pytest

from sealock.core.log_retention import (
    BACK_MOST,
    DAY,
    FOR_EVER,
    HELD_FOR,
    STOPPED_FOR_MOST,
    ClockSeen,
    EndedBuild,
    Keeping,
    Look,
    is_due,
    keeping,
    kept_until,
    look,
)

NOW = 1_800_000_000.0
YEAR = 365 * DAY
STEADY = Look(NOW, NOW - 2 * DAY)


def build(ended_at: float, days: int = 30) -> EndedBuild:
    return EndedBuild("b", "a", "p", 1, ended_at, Keeping(days, by_project=False))


@pytest.mark.parametrize(
    ("installation", "project", "days", "by_project"),
    [
        (30, None, 30, False),
        (30, 7, 7, True),
        (30, 30, 30, False),
        (30, 90, 30, False),  # never longer
        (30, FOR_EVER, 30, False),
        (FOR_EVER, None, FOR_EVER, False),
        (FOR_EVER, 7, 7, True),
        (FOR_EVER, FOR_EVER, FOR_EVER, False),
    ],
)
def test_a_project_only_shortens(installation: int, project: int | None, days: int, by_project: bool) -> None:
    assert keeping(installation, project) == Keeping(days, by_project)


def test_it_says_who_said_so() -> None:
    assert keeping(30, 7).why == "after 7 days, as the project's settings say"
    assert keeping(1, None).why == "after 1 day, as the installation's settings say"


def test_until_when_a_log_is_kept() -> None:
    assert kept_until(NOW, Keeping(30, True)) == NOW + 30 * DAY
    assert kept_until(NOW, Keeping(FOR_EVER, False)) is None
    assert kept_until(None, Keeping(30, True)) is None


@pytest.mark.parametrize(
    ("age", "days", "due"),
    [(30 * DAY, 30, True), (30 * DAY - 1, 30, False), (20 * YEAR, FOR_EVER, False), (0.0, 1, False)],
)
def test_a_log_is_due_once_its_days_are_over(age: float, days: int, due: bool) -> None:
    assert is_due(build(NOW - age, days), STEADY) is due


def test_a_clock_that_runs_on_is_believed() -> None:
    seen = look(ClockSeen(NOW - 600, NOW - 2 * DAY), NOW)
    assert (seen.jumped, seen.held_until, seen.steady_since) == (None, None, NOW - 2 * DAY)
    assert is_due(build(NOW - 31 * DAY), seen)


@pytest.mark.parametrize("passed", [STOPPED_FOR_MOST, 0.0, -BACK_MOST])
def test_a_week_s_stop_and_a_small_correction_are_no_jump(passed: float) -> None:
    assert look(ClockSeen(NOW, NOW - 30 * DAY), NOW + passed).held_until is None


@pytest.mark.parametrize("jump", [10 * YEAR, STOPPED_FOR_MOST + 1, -BACK_MOST - 1, -10 * YEAR])
def test_after_a_jump_nothing_is_destroyed_for_a_day(jump: float) -> None:
    seen = look(ClockSeen(NOW, NOW - 30 * DAY), NOW + jump)
    assert seen.jumped == jump
    assert seen.held_until == NOW + jump + HELD_FOR
    ancient = build(NOW - 50 * YEAR)
    assert not is_due(ancient, seen)
    later = look(seen.seen, seen.now + HELD_FOR - 1)
    assert not is_due(ancient, later)
    assert later.jumped is None
    assert is_due(ancient, look(later.seen, seen.now + HELD_FOR))


def test_a_clock_that_goes_wild_is_never_believed() -> None:
    seen, now = None, NOW
    for jump in (10 * YEAR, -10 * YEAR) * 5:
        now += jump
        found = look(seen, now)
        assert not is_due(build(NOW - 50 * YEAR), found)
        seen, now = found.seen, now + 600


def test_a_clock_that_was_never_looked_at_is_not_believed_at_once() -> None:
    seen = look(None, NOW)
    assert (seen.jumped, seen.held_until) == (None, NOW + HELD_FOR)
    assert not is_due(build(NOW - YEAR), seen)


def test_what_ended_in_the_future_is_counted_from_when_the_clock_was_put_right() -> None:
    ahead = build(NOW + 5 * YEAR)
    assert not is_due(ahead, Look(NOW, NOW - 29 * DAY))
    assert is_due(ahead, Look(NOW, NOW - 30 * DAY))
