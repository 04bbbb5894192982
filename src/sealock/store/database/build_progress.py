"""What a worker says of the attempt it has. Its fence is looked at in the same transaction, and held until
that ends: whoever lost the build meanwhile writes nothing of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, insert, select, update

from sealock.core.builds import Ended, Progress, StepView, build_topic
from sealock.core.errors import UsageError
from sealock.core.queue import Fence
from sealock.store.database.build_orders import LONGEST_AUTHOR, LONGEST_MESSAGE
from sealock.store.database.build_rows import phases_of, steps_of
from sealock.store.database.kept_tables import receipts
from sealock.store.database.metadata import fitted, milliseconds
from sealock.store.database.tables import attempts, builds, steps
from sealock.store.queue.change import Change
from sealock.store.queue.entries import LONGEST_REASON
from sealock.store.queue.held import fenced, finish
from sealock.store.queue.tables import queue_builds

MOST_STEPS = 1000
LONGEST_NAME = 200


def progress(change: Change, fence: Fence, said: Progress) -> bool:
    """As `core.builds.BuildRecords.progress`."""
    # Shared with nobody who would end it: they wait until this is kept.
    has = select(queue_builds.c.place).where(*fenced(fence)).with_for_update(of=queue_builds)
    if change.connection.execute(has).scalar() is None:
        return False
    _refuse_strange(said)
    changed = [_steps(change, fence, said.steps), _phases(change, fence, said), _build(change, fence, said)]
    if any(changed):
        change.topics.add(build_topic(fence.build))
    return True


def _refuse_strange(said: Progress) -> None:
    numbers = {step.number for step in said.steps}
    strange = len(numbers) < len(said.steps) or any(number < 1 for number in numbers)
    if strange or max(len(said.steps), len(said.phases)) > MOST_STEPS:
        raise UsageError(f"steps are numbered from 1, each has its own, and there are at most {MOST_STEPS}")


def _steps(change: Change, fence: Fence, said: Sequence[StepView]) -> bool:
    """Make the attempt's steps these; whether any was another."""
    of = steps.c
    mine = (of.build == fence.build, of.attempt == fence.attempt)
    before = {step.number: _values(step) for step in steps_of(change.connection, fence.build, fence.attempt)}
    now = {step.number: _values(step) for step in said}
    gone = [number for number in before if number not in now]
    if gone:
        change.connection.execute(delete(steps).where(*mine, of.number.in_(gone)))
    for number in [number for number in before if number in now and now[number] != before[number]]:
        change.connection.execute(update(steps).where(*mine, of.number == number).values(now[number]))
    new = [values for number, values in now.items() if number not in before]
    if new:
        attempt = {"build": fence.build, "attempt": fence.attempt}
        change.connection.execute(insert(steps), [values | attempt for values in new])
    return now != before


def _values(step: StepView) -> dict[str, Any]:
    return {
        **asdict(step),
        "name": fitted(step.name, LONGEST_NAME),
        "reason": fitted(step.reason, LONGEST_REASON),
        "started_at": None if step.started_at is None else milliseconds(step.started_at),
        "ended_at": None if step.ended_at is None else milliseconds(step.ended_at),
    }


def _phases(change: Change, fence: Fence, said: Progress) -> bool:
    if list(said.phases) == list(phases_of(change.connection, fence.build, fence.attempt)):
        return False
    kept = [
        {
            **asdict(phase),
            "name": fitted(phase.name, LONGEST_NAME),
            "detail": fitted(phase.detail, LONGEST_REASON),
        }
        for phase in said.phases
    ]
    mine = (attempts.c.build == fence.build, attempts.c.attempt == fence.attempt)
    if not change.connection.execute(update(attempts).where(*mine).values(phases=kept)).rowcount:
        new = {"build": fence.build, "attempt": fence.attempt, "phases": kept}
        change.connection.execute(insert(attempts), new)
    return True


def _build(change: Change, fence: Fence, said: Progress) -> bool:
    """What was fetched. A commit that was asked for, or was fetched by an attempt before, stays."""
    columns = builds.c["commit", "message", "author", "plan_digest"]
    row = change.connection.execute(select(*columns).where(builds.c.id == fence.build)).one()
    values: dict[str, Any] = {
        "commit": row.commit or said.commit,
        "message": fitted(said.message, LONGEST_MESSAGE) or row.message,
        "author": fitted(said.author, LONGEST_AUTHOR) or row.author,
        "plan_digest": said.plan_digest or row.plan_digest,
    }
    if values == dict(row._mapping):
        return False
    change.connection.execute(update(builds).where(builds.c.id == fence.build).values(values))
    return True


def end(change: Change, fence: Fence, ended: Ended) -> bool:
    """As `core.builds.BuildRecords.end`, in a change that is alone."""
    if not finish(change, fence, ended.outcome, ended.reason):
        return False
    mine = (receipts.c.build == fence.build, receipts.c.attempt == fence.attempt)
    kept = change.connection.execute(select(receipts.c.envelope).where(*mine)).scalar()
    if kept is not None or ended.receipt is None:
        return kept == ended.receipt  # what is signed is never replaced
    of = builds.c["account", "project"]
    build = change.connection.execute(select(*of).where(builds.c.id == fence.build)).one()
    change.connection.execute(
        insert(receipts),
        {
            "build": fence.build,
            "attempt": fence.attempt,
            "account": build.account,
            "project": build.project,
            "key_id": ended.key_id,
            "envelope": ended.receipt,
            "signed_at": change.now,
        },
    )
    return True
