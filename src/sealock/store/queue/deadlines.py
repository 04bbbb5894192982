"""Sees to builds that are past their deadline, unless it is the clock or the queue that was away."""

from __future__ import annotations

from sqlalchemy import ColumnElement, case, insert, select, update

from sealock.core.queue import QueueState
from sealock.core.queue_rules import ClockStory, clock_story, past_deadline
from sealock.store.database.metadata import seconds
from sealock.store.queue.change import Change
from sealock.store.queue.entries import Entry, entries, follow
from sealock.store.queue.tables import queue_builds, queue_clock
from sealock.store.queue.view import HELD

AT_ONCE = 100
"""Builds that one look sees to; the next look sees to the rest."""

LOOK_AGAIN = 1000
"""Milliseconds after which it is noted anew that somebody looked."""

_OPEN = [state for state in QueueState if not state.over]


def put_back(change: Change) -> int:
    """Put back what a lost worker had, and end what waited or was being stopped for too long. How many."""
    _look_at_clock(change)
    late = entries(
        change,
        queue_builds.c.state.in_(_OPEN),
        queue_builds.c.deadline <= change.now,
        most=AT_ONCE,
    )
    for entry in late:
        _see_to(change, entry)
    return len(late)


def _see_to(change: Change, entry: Entry) -> None:
    if entry.state is QueueState.RUNNING and (entry.stop_at or 0) <= change.now:
        return follow(change, entry, QueueState.STOPPING, "it ran for longer than any build may")
    move = past_deadline(entry.standing)
    return follow(change, entry, move.to, move.why)


def _look_at_clock(change: Change) -> None:
    seen = change.connection.execute(select(queue_clock.c.seen_at)).scalar()
    if seen is None:
        change.connection.execute(insert(queue_clock), {"id": 1, "seen_at": change.now})
        return
    story = clock_story(seconds(change.now), seconds(seen), change.patience.lease)
    if story is not ClockStory.STEADY:
        _grant_anew(change, story)
    if story is not ClockStory.STEADY or change.now - seen >= LOOK_AGAIN:
        change.connection.execute(update(queue_clock).values(seen_at=change.now))


def _grant_anew(change: Change, story: ClockStory) -> None:
    """Give whoever has a build the time they would have had. A deadline that lies further ahead than any
    would is drawn near, else a build whose worker is gone would stay with it for as long as the clock was
    set back."""
    held = queue_builds.c.state.in_(HELD)
    running, stopping = (_fresh(change, state) for state in (QueueState.RUNNING, QueueState.STOPPING))
    fresh = case((queue_builds.c.state == QueueState.RUNNING, running), else_=stopping)
    change.connection.execute(update(queue_builds).where(held).values(deadline=fresh))
    if story is ClockStory.SET_BACK:
        _no_later(change, "stop_at", QueueState.RUNNING, change.after(change.patience.longest))
        _no_later(change, "deadline", QueueState.QUEUED, change.after(change.patience.queued))


def _no_later(change: Change, column: str, state: QueueState, latest: int) -> None:
    of = queue_builds.c
    late = (of.state == state) & (of[column] > latest)
    change.connection.execute(update(queue_builds).where(late).values({column: latest}))


def _fresh(change: Change, state: QueueState) -> ColumnElement[int]:
    alone, other = (change.deadline(state, deploys=deploys) for deploys in (True, False))
    return case((queue_builds.c.deploys, alone), else_=other)


def lease_until(change: Change) -> object:
    """The deadline that a beat gives to a running build; one that is being stopped keeps its own."""
    of = queue_builds.c
    lease = _fresh(change, QueueState.RUNNING)
    nearer = case((of.stop_at < lease, of.stop_at), else_=lease)
    return case((of.state == QueueState.RUNNING, nearer), else_=of.deadline)
