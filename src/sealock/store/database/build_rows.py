"""Rows of builds as `core.builds` shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Select, func, select

from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, StepState, Trigger
from sealock.core.builds import BuildView, PhaseView, StepView
from sealock.core.queue import QueueState
from sealock.store.database.metadata import seconds
from sealock.store.database.tables import attempts, builds, projects, steps, workers
from sealock.store.queue.tables import queue_builds

_COLUMNS = (
    *("id", "account", "project", "number", "state", "outcome", "reason", "trigger", "ref", "branch"),
    *("commit", "message", "author", "person", "pipelines", "restart_of", "secrets_of", "attempt"),
    *("protected", "fork", "created_at", "started_at", "ended_at"),
)
_SHOWN: Select[Any] = (
    select(
        *builds.c[_COLUMNS],
        projects.c.name.label("project_name"),
        queue_builds.c.state.label("queued_as"),
        func.coalesce(workers.c.name, queue_builds.c.worker).label("worker"),
    )
    .select_from(builds)
    # Outer joins all, so that the builds' own order and limit come first.
    .outerjoin(projects, projects.c.id == builds.c.project)
    .outerjoin(queue_builds, queue_builds.c.build == builds.c.id)
    .outerjoin(workers, workers.c.id == queue_builds.c.worker)
)
_AFTER = {StepState.RUNNING: StepState.STOPPED, StepState.WAITING: StepState.SKIPPED}
"""What became of a step whose attempt is over without a word about it."""


def shown(account: str, *conditions: Any) -> Select[Any]:
    """Builds of an account for which all conditions hold, for `view_of`."""
    return _SHOWN.where(builds.c.account == account, *conditions)


def view_of(row: Any) -> BuildView:
    """A build without its steps and phases."""
    return BuildView(
        id=row.id,
        account=row.account,
        project=row.project,
        project_name=row.project_name,
        number=row.number,
        state=BuildState(row.state),
        outcome=Outcome(row.outcome) if row.outcome else None,
        reason=row.reason,
        trigger=Trigger(row.trigger),
        ref=row.ref,
        branch=row.branch,
        commit=row.commit,
        message=row.message,
        author=row.author,
        person=row.person,
        pipelines=tuple(row.pipelines or ()),
        restart_of=row.restart_of,
        attempt=row.attempt,
        protected=bool(row.protected),
        from_fork=bool(row.fork),
        created_at=seconds(row.created_at),
        started_at=_seconds(row.started_at),
        ended_at=_seconds(row.ended_at),
        secrets_of=row.secrets_of,
        stopping=row.queued_as == QueueState.STOPPING,
        worker=row.worker,
    )


def whole_view(connection: Connection, row: Any) -> BuildView:
    """A build with the steps and phases of its latest attempt."""
    view = view_of(row)
    attempt_steps = steps_of(connection, view.id, view.attempt)
    attempt_phases = phases_of(connection, view.id, view.attempt)
    if view.state is not BuildState.RUNNING:
        attempt_steps = [replace(step, state=_AFTER.get(step.state, step.state)) for step in attempt_steps]
    return replace(view, steps=tuple(attempt_steps), phases=tuple(attempt_phases))


def steps_of(connection: Connection, build: str, attempt: int) -> list[StepView]:
    """The steps of an attempt, as its worker told of them."""
    of = steps.c
    found = select(steps).where(of.build == build, of.attempt == attempt).order_by(of.number)
    return [
        StepView(
            number=row.number,
            name=row.name,
            kind=row.kind,
            state=StepState(row.state),
            exit_code=row.exit_code,
            reason=row.reason,
            started_at=_seconds(row.started_at),
            ended_at=_seconds(row.ended_at),
            first_line=row.first_line,
        )
        for row in connection.execute(found)
    ]


def phases_of(connection: Connection, build: str, attempt: int) -> Sequence[PhaseView]:
    """The phases of an attempt, as its worker told of them."""
    of = attempts.c
    found = select(of.phases).where(of.build == build, of.attempt == attempt)
    return [PhaseView(**phase) for phase in connection.execute(found).scalar() or ()]


def _seconds(moment: int | None) -> float | None:
    return None if moment is None else seconds(moment)
