"""How a branch stands: the build that its badge and the dashboard speak of.

A green build of some pipelines says nothing about the others. It speaks for its branch if it repeats a build
that was whole, and nothing that failed on the way from there is left; else an older build goes on to.
"""

from __future__ import annotations

from sqlalchemy import Connection

from sealock.core.build import Outcome
from sealock.core.build_state import BuildState
from sealock.core.builds import BuildView
from sealock.store.database.build_rows import shown, view_of, whole_view
from sealock.store.database.tables import builds

MOST_LOOKED_AT = 20
"""Builds of a branch, and restarts of restarts: a branch that has nothing to say in as many has no build."""


def standing(connection: Connection, account: str, project: str, branch: str) -> BuildView | None:
    """The newest build of the branch that ended and speaks for it, without steps; None if there is none."""
    of = builds.c
    ended = shown(account, of.branch == branch, of.project == project, of.state == BuildState.ENDED)
    for row in connection.execute(ended.order_by(of.place.desc()).limit(MOST_LOOKED_AT)):
        build = view_of(row)
        if build.outcome is not Outcome.GREEN or _is_whole(connection, account, build):
            return build
    return None


def _is_whole(connection: Connection, account: str, green: BuildView) -> bool:
    """Whether every pipeline passed, in this build or in those that it repeats."""
    passed: set[str] = set()
    build: BuildView | None = green
    for _ in range(MOST_LOOKED_AT):
        if build is None:
            return False
        if not build.pipelines:
            failed = build.failed_pipelines
            return failed is None or (bool(failed) and passed.issuperset(failed))
        if not passed.issuperset(build.failed_pipelines or ()):
            return False
        passed.update(build.pipelines)
        build = _repeated(connection, account, build)
    return False


def _repeated(connection: Connection, account: str, build: BuildView) -> BuildView | None:
    """The build that this one restarts, with its steps."""
    if build.restart_of is None:
        return None
    row = connection.execute(shown(account, builds.c.id == build.restart_of)).one_or_none()
    return None if row is None else whole_view(connection, row)
