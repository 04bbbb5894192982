"""A build is made: its number, its row and its place in the queue, or none of them."""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Any

from sqlalchemy import func, insert, select, update

from sealock.core.build_state import BuildState, Trigger
from sealock.core.builds import Created, NewBuild
from sealock.core.errors import UsageError
from sealock.core.project_settings import ProjectSettings
from sealock.core.queue import Order, Supersede
from sealock.store.database.metadata import fitted
from sealock.store.database.project_settings import decode
from sealock.store.database.tables import builds, projects
from sealock.store.queue.change import Change
from sealock.store.queue.enqueue import enqueue
from sealock.store.queue.tables import queue_builds

LONGEST_MESSAGE = 2000
LONGEST_AUTHOR = 320
LONGEST_GROUP = 200


def create(change: Change, account: str, new: NewBuild, protected: bool) -> Created:
    """As `core.builds.BuildRecords.create`, in a change that is alone."""
    mine = (projects.c.id == new.project, projects.c.account == account)
    row = change.connection.execute(select(projects.c.settings).where(*mine)).one_or_none()
    if row is None:
        raise UsageError("there is no such project", resolution="The list of projects shows every one.")
    known = _delivered(change, new)
    if known is not None:
        return Created(known, new=False)
    build = secrets.token_hex(16)
    change.connection.execute(insert(builds), _values(change, account, new, protected) | {"id": build})
    queued = enqueue(change, order_of(build, account, new, decode(row.settings)))
    return Created(build, new=True, superseded=queued.superseded)


def _delivered(change: Change, new: NewBuild) -> str | None:
    if not new.delivery:
        return None
    same = (queue_builds.c.project == new.project) & (queue_builds.c.delivery == new.delivery)
    return change.connection.execute(select(queue_builds.c.build).where(same)).scalar()


def _values(change: Change, account: str, new: NewBuild, protected: bool) -> dict[str, Any]:
    return {
        "account": account,
        "project": new.project,
        "number": _number(change, new.project),
        "place": _place(change, account),
        "state": BuildState.QUEUED,
        "trigger": new.trigger,
        "ref": new.ref,
        "branch": new.branch,
        "commit": new.commit,
        "message": fitted(new.message, LONGEST_MESSAGE),
        "author": fitted(new.author, LONGEST_AUTHOR),
        "person": new.person,
        "pipelines": list(new.pipelines) or None,
        "restart_of": new.restart_of,
        "secrets_of": new.secrets_of,
        "fork": new.from_fork,
        "protected": protected,
        "created_at": change.now,
    }


def _number(change: Change, project: str) -> int:
    counted = update(projects).where(projects.c.id == project)
    counted = counted.values(last_number=projects.c.last_number + 1)
    return int(change.connection.execute(counted.returning(projects.c.last_number)).scalar_one())


def _place(change: Change, account: str) -> int:
    """One after the newest; nobody else makes a build meanwhile."""
    newest = select(func.max(builds.c.place)).where(builds.c.account == account)
    return (change.connection.execute(newest).scalar() or 0) + 1


def order_of(build: str, account: str, new: NewBuild, settings: ProjectSettings) -> Order:
    """What the queue is to do with it. A build that somebody wants of an older commit, or of some pipelines
    only, is no newer commit of the branch: it replaces nothing, and an older commit's is replaced by none."""
    alone = new.branch is not None and new.branch in settings.one_at_a_time
    again = new.trigger is Trigger.RESTART
    replaces = not (again or new.pipelines or alone)
    return Order(
        build,
        account,
        new.project,
        needs=frozenset(settings.labels),
        group=_group(new.branch) if alone and new.branch else "",
        line=f"branch:{new.branch}" if new.branch and not again else "",
        priority=settings.priority,
        delivery=new.delivery,
        supersede=settings.supersede if replaces else Supersede.NOTHING,
        deploys=alone,
        project_limit=settings.max_running,
    )


def _group(branch: str) -> str:
    name = f"branch:{branch}"
    return name if len(name) <= LONGEST_GROUP else f"branch:{sha256(branch.encode()).hexdigest()}"
