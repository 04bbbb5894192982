"""Who is next, and what follows what: properties that hold for every queue, and the edges of the rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealock.core.build import Outcome
from sealock.core.queue import MOVES, ORDINARY, Fence, Obstacle, Order, QueueState, Supersede
from sealock.core.queue_rules import (
    STRIDE,
    ClockStory,
    Head,
    Host,
    Lane,
    Share,
    Standing,
    View,
    after_end,
    after_failure,
    carried,
    clock_story,
    holds,
    next_build,
    on_cancel,
    on_return,
    past_deadline,
    reasons,
    superseded,
)

ACCOUNTS = ["a", "b", "c", "d"]
LABELS = ["arm64", "gpu"]
NEEDS = st.frozensets(st.sampled_from(LABELS))


@st.composite
def views(draw: st.DrawFn) -> View:
    places = draw(st.lists(st.integers(1, 1000), min_size=8, max_size=8, unique=True))
    lanes = []
    for number in range(draw(st.integers(0, 8))):
        account = draw(st.sampled_from(ACCOUNTS))
        head = Head(f"build{number}", draw(st.integers(-3, 3)), places[number])
        project = f"{account}{draw(st.integers(1, 2))}"
        group = draw(st.sampled_from(["", "", "production"]))
        queued = head if draw(st.booleans()) else None
        running = draw(st.integers(0 if queued else 1, 3))
        lanes.append(Lane(number, account, project, draw(NEEDS), group, queued, running))
    shares = {
        name: Share(draw(st.integers(0, 6)), draw(st.integers(1, 4)), draw(st.integers(0, 9)))
        for name in ACCOUNTS
    }
    limits = draw(
        st.dictionaries(st.sampled_from([lane.project for lane in lanes] or ["x"]), st.integers(0, 4))
    )
    hosts = [
        Host(name, draw(NEEDS), draw(st.integers(0, 3)), draw(st.integers(0, 3)), draw(st.booleans()))
        for name in ("v", "w")
    ]
    holders = {(lane.project, lane.group): "#1" for lane in lanes if lane.group and lane.running}
    return View(lanes, shares, limits, hosts, holders)


def lane_of(view: View, head: Head) -> Lane:
    return next(lane for lane in view.lanes if lane.head == head)


@given(views())
def test_no_claim_exceeds_a_limit_or_goes_where_it_does_not_fit(view: View) -> None:
    head = next_build(view, "w")
    if head is None:
        return
    lane, host = lane_of(view, head), view.host("w")
    assert host is not None
    assert host.present
    assert host.running < host.machines
    assert lane.needs <= host.labels
    assert sum(each.running for each in view.lanes if each.account == lane.account) < (
        view.shares[lane.account].max_running
    )
    of_project = sum(each.running for each in view.lanes if each.project == lane.project)
    assert of_project < view.limits.get(lane.project, of_project + 1)
    if lane.group:
        same = [each for each in view.lanes if (each.project, each.group) == (lane.project, lane.group)]
        assert not any(each.running for each in same)


@given(views())
def test_there_is_a_next_build_unless_every_one_has_a_reason(view: View) -> None:
    """What a page says and what a claim does cannot differ."""
    host = view.host("w")
    free = host is not None and host.free
    for lane in view.lanes:
        if lane.head is None:
            continue
        why = {reason.obstacle for reason in reasons(view, lane)}
        assert why
        if next_build(view, "w") is None and free and host and lane.needs <= host.labels:
            assert why & {Obstacle.ACCOUNT_FULL, Obstacle.PROJECT_FULL, Obstacle.GROUP_BUSY}
    if (head := next_build(view, "w")) is not None:
        assert [each.obstacle for each in reasons(view, lane_of(view, head))] == [Obstacle.TURN]


@given(views())
def test_nobody_with_less_for_its_weight_is_passed_over(view: View) -> None:
    head = next_build(view, "w")
    if head is None:
        return
    chosen = lane_of(view, head)
    for lane in view.lanes:
        if lane.head is None or {each.obstacle for each in reasons(view, lane)} != {Obstacle.TURN}:
            continue
        host = view.host("w")
        assert host is not None
        if not lane.needs <= host.labels:
            continue
        mine = view.of_account[lane.account] / view.shares[lane.account].weight
        theirs = view.of_account[chosen.account] / view.shares[chosen.account].weight
        assert theirs <= mine
        if lane.account == chosen.account:
            assert (-head.priority, head.place) <= (-lane.head.priority, lane.head.place)


@pytest.mark.parametrize(("weight", "next_one"), [(1, "b"), (2, "b"), (3, "a")])
def test_who_has_fewer_machines_for_its_weight_is_next_whatever_it_was_served(
    weight: int, next_one: str
) -> None:
    """Rare among views that are drawn: the one with fewer was served more, and came later."""
    lanes = [
        Lane(1, "a", "a1", frozenset(), "", Head("a", 0, 1), 2),
        Lane(2, "b", "b1", frozenset(), "", Head("b", 0, 2), 1),
    ]
    shares = {"a": Share(9, weight, 0 if next_one == "b" else 9), "b": Share(9, 1, 5)}
    if weight == 2:  # as many for its weight: then what they were served decides
        shares["a"] = Share(9, weight, 6)
    head = next_build(View(lanes, shares, {}, [Host("w", frozenset(), 9, 3, True)], {}), "w")
    assert head is not None and head.build == next_one


@given(
    many=st.integers(1, 2000),
    machines=st.integers(1, 5),
    served=st.integers(0, 50),
    weights=st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
def test_one_build_waits_behind_no_account_with_thousands(
    many: int, machines: int, served: int, weights: tuple[int, int]
) -> None:
    """However long the other has been served, and with whatever priority: it is next, or after one more."""
    big = Share(1000, weights[0], served * (STRIDE // weights[0]))
    reached = max(0, big.passed - STRIDE // weights[0])
    small = Share(1000, weights[1], on_return(0, reached, [big.passed]))
    running = machines - 1
    order = []
    for turn in range(2):
        lanes = [
            Lane(1, "big", "big", frozenset(), "", Head("big", 100, 1 + turn), running),
            Lane(2, "small", "small", frozenset(), "", Head("small", 0, many + 1), 0),
        ]
        host = Host("w", frozenset(), machines, running, present=True)
        head = next_build(View(lanes, {"big": big, "small": small}, {}, [host], {}), "w")
        assert head is not None
        order.append(head.build)
        big = Share(1000, weights[0], carried(big))
    assert "small" in order
    assert order[0] == "small" or served == 0


@given(st.lists(st.integers(1, 4), min_size=2, max_size=5), st.integers(50, 200))
def test_with_one_machine_everybody_gets_a_share_by_weight(weights: list[int], turns: int) -> None:
    shares = {str(number): Share(9, weight, 0) for number, weight in enumerate(weights)}
    host = Host("w", frozenset(), 1, 0, present=True)
    got = dict.fromkeys(shares, 0)
    for _ in range(turns):
        lanes = [Lane(int(name), name, name, frozenset(), "", Head(name, 0, int(name)), 0) for name in shares]
        head = next_build(View(lanes, shares, {}, [host], {}), "w")
        assert head is not None
        got[head.build] += 1
        share = shares[head.build]
        shares[head.build] = Share(share.max_running, share.weight, carried(share))
    for name, count in got.items():
        assert abs(count - turns * weights[int(name)] / sum(weights)) <= max(weights) + 1


@given(
    st.sampled_from([QueueState.RUNNING, QueueState.STOPPING]),
    st.integers(1, 5),
    st.integers(1, 5),
    st.booleans(),
    st.booleans(),
)
def test_what_follows_a_failure_is_allowed_and_comes_to_an_end(
    state: QueueState, attempt: int, attempts: int, deploying: bool, temporary: bool
) -> None:
    build = Standing("b", state, attempt, attempts, deploying=deploying)
    move = after_failure(build, "no disk", temporary=temporary)
    assert move.to in MOVES[state]
    if move.to is QueueState.QUEUED:
        assert temporary
        assert not deploying
        assert attempt < attempts
    if state is QueueState.STOPPING:
        assert move.to is QueueState.CANCELLED


@pytest.mark.parametrize("state", [state for state in QueueState if not state.over])
def test_no_state_lasts_for_ever(state: QueueState) -> None:
    patience = ORDINARY.of(state)
    assert patience is not None
    assert patience > 0
    assert past_deadline(Standing("b", state, 1, 2)).to in MOVES[state]


def test_what_is_over_stays() -> None:
    over = [state for state in QueueState if state.over]
    assert over == [QueueState.FINISHED, QueueState.FAILED, QueueState.CANCELLED]
    assert [on_cancel(state) for state in over] == over
    assert [ORDINARY.of(state) for state in over] == [None] * 3


def test_an_outcome_is_cancelled_only_if_that_was_asked() -> None:
    assert after_end(QueueState.STOPPING, Outcome.CANCELLED) is QueueState.CANCELLED
    assert after_end(QueueState.STOPPING, Outcome.GREEN) is QueueState.FINISHED
    assert after_end(QueueState.RUNNING, Outcome.CANCELLED) is QueueState.FINISHED


@given(
    st.sampled_from(Supersede),
    st.sampled_from(["", "main"]),
    st.lists(st.tuples(st.sampled_from(QueueState), st.booleans()), max_size=6),
)
def test_a_deployment_is_never_superseded(
    supersede: Supersede, line: str, older: list[tuple[QueueState, bool]]
) -> None:
    standings = [
        Standing(str(number), state, deploys=deploys) for number, (state, deploys) in enumerate(older)
    ]
    gone = superseded(Order("new", "a", "a", line=line, supersede=supersede), standings)
    assert not any(each.deploys or each.state.over for each in gone)
    assert line or not gone
    if supersede is Supersede.QUEUED:
        assert all(each.state is QueueState.QUEUED for each in gone)


@given(st.floats(1, 1e9), st.floats(-1e6, 1e6), st.floats(1, 100))
def test_a_clock_is_steady_only_if_little_time_passed(seen: float, passed: float, lease: float) -> None:
    story = clock_story(seen + passed, seen, lease)
    if story is ClockStory.STEADY:
        assert -0.001 <= passed <= max(lease / 2, 15.0) + 0.001
    assert (story is ClockStory.SET_BACK) == (seen + passed < seen)


@given(st.floats(0, 1e6))
def test_a_worker_that_beats_in_time_outlives_every_pause_of_the_queue(pause: float) -> None:
    """It beats three times in a lease: so a pause counts as one before it and that third are a lease."""
    lease = ORDINARY.lease
    away = clock_story(1e6 + pause, 1e6, lease) is ClockStory.AWAY
    assert away or pause + lease / 3 < lease


@given(st.integers(0, 3), st.sampled_from(["w", "x"]), st.sampled_from(QueueState))
def test_a_fence_holds_for_one_attempt_of_one_worker(attempt: int, worker: str, state: QueueState) -> None:
    held = holds(Fence("b", attempt, worker), Standing("b", state, 2), "w")
    assert held == (attempt == 2 and worker == "w" and state in (QueueState.RUNNING, QueueState.STOPPING))
