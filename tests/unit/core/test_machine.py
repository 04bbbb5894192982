"""A machine's life goes forward only; every step that is not in the table is refused."""

from __future__ import annotations

import itertools
import time

import pytest

from sealock.core.machine import (
    NEXT_STATES,
    STATE_DEADLINES,
    MachineRecord,
    MachineState,
    NetworkPolicy,
    Origin,
)

S = MachineState

# Written out a second time on purpose: a change of the table has to be meant.
STEPS = {
    (None, S.STARTING),
    (S.STARTING, S.READY),
    (S.STARTING, S.ENDING),
    (S.READY, S.BUSY),
    (S.READY, S.ENDING),
    (S.BUSY, S.ENDING),
    (S.ENDING, S.GONE),
}
LIVES = [
    [S.STARTING, S.READY, S.BUSY, S.ENDING, S.GONE],
    [S.STARTING, S.READY, S.ENDING, S.GONE],
    [S.STARTING, S.ENDING, S.GONE],
]
WAY_TO = {
    S.STARTING: [S.STARTING],
    S.READY: [S.STARTING, S.READY],
    S.BUSY: [S.STARTING, S.READY, S.BUSY],
    S.ENDING: [S.STARTING, S.ENDING],
    S.GONE: [S.STARTING, S.ENDING, S.GONE],
}


def record_in(state: MachineState | None) -> MachineRecord:
    record = MachineRecord(
        id="0" * 32,
        image="sha256:" + "0" * 64,
        origin=Origin.FAKE,
        acceleration="none",
        network=NetworkPolicy.NONE,
        host_key_fingerprint="SHA256:x",
    )
    for number, step in enumerate(WAY_TO[state] if state else []):
        record.enter(step, float(number))
    return record


@pytest.mark.parametrize(("before", "after"), list(itertools.product([None, *S], S)))
def test_each_step_is_taken_or_refused_as_the_table_says(
    before: MachineState | None, after: MachineState
) -> None:
    record = record_in(before)
    was = list(record.states)
    if (before, after) in STEPS:
        record.enter(after, 100.0)
        assert record.states == [*was, (after, 100.0)]
        assert record.state is after
    else:
        with pytest.raises(ValueError, match=f"cannot go from {before or 'nothing'} to {after}"):
            record.enter(after, 100.0)
        assert record.states == was


@pytest.mark.parametrize("life", LIVES, ids=len)
def test_every_life_that_can_be_lived_ends(life: list[MachineState]) -> None:
    record = record_in(None)
    for state in life:
        record.enter(state)
    assert [state for state, _ in record.states] == life


def test_there_is_no_other_life() -> None:
    lives = [[S.STARTING]]
    while any(life[-1] is not S.GONE for life in lives):
        lives = [
            [*life, after]
            for life in lives
            for after in (sorted(NEXT_STATES[life[-1]]) if life[-1] is not S.GONE else [])
        ] + [life for life in lives if life[-1] is S.GONE]
        assert all(len(set(life)) == len(life) for life in lives)
    assert sorted(lives) == sorted(LIVES)


def test_every_state_has_a_deadline_but_the_last() -> None:
    assert set(NEXT_STATES) == set(STATE_DEADLINES) == set(S)
    assert STATE_DEADLINES[S.GONE] is None
    assert all((STATE_DEADLINES[state] or 0) > 0 for state in S if state is not S.GONE)


def test_a_state_is_entered_now_unless_told_otherwise() -> None:
    record = record_in(None)
    before = time.time()
    record.enter(S.STARTING)
    assert before <= record.states[0][1] <= time.time()
    record.enter(S.ENDING, 0.0)
    assert record.states[1] == (S.ENDING, 0.0)


def test_records_share_nothing() -> None:
    one, two = record_in(None), record_in(None)
    one.enter(S.STARTING)
    assert two.states == []
    assert one.limits is not two.limits
