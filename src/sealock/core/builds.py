"""The builds that the server keeps: what is asked for, what is shown, what a worker may say of its own.

    intake ── NewBuild ──▶ BuildRecords ── BuildView ──▶ pages, API
    worker ── Progress, Ended ──▶ BuildRecords      each with its fence, so that only who has the build speaks

An attempt has an id of its own (`run_id`): its log, its leases and its receipt go by that, so two attempts at
one build never share any of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, StepState, Trigger
from sealock.core.project import Project
from sealock.core.project_settings import ProjectSettings
from sealock.core.queue import Fence, Waiting

MOST_BUILDS = 100
"""Builds of one page of a list."""


def run_id(build: str, attempt: int) -> str:
    """The id of an attempt at a build, from 1: the build's own for the first, 32 hexadecimal digits."""
    if attempt == 1:
        return build
    return hashlib.sha256(f"sealock attempt v1\0{build}\0{attempt}".encode()).hexdigest()[:32]


def build_topic(build: str) -> str:
    """Topic of `core.queue.Wakeups`: something about this build or its steps changed. Of what comes of its
    log, `core.log_pages.log_topic` is told."""
    return f"build:{build}"


def account_topic(account: str) -> str:
    """Topic: a build of this account began, ended, or was put into the queue."""
    return f"account:{account}"


@dataclass(frozen=True)
class NewBuild:
    """What is asked for. ref: to fetch, None for the default branch. branch: None if it is not known to be
    one. commit: None where the server's newest is meant. person: who asked, an id. pipelines: none named
    means all. delivery: what asked, taken once for each project; `` always. restart_of: the build it
    repeats. secrets_of: the attempt whose versions of secrets it is to get."""

    project: str
    trigger: Trigger
    ref: str | None = None
    branch: str | None = None
    commit: str | None = None
    message: str = ""
    author: str = ""
    person: str | None = None
    from_fork: bool = False
    pipelines: tuple[str, ...] = ()
    delivery: str = ""
    restart_of: str | None = None
    secrets_of: str | None = None


@dataclass(frozen=True)
class PhaseView:
    """A stretch of an attempt, named as in `core.event.PhaseStarted`. Times: seconds since 1970, by
    the worker's clock. ended_at None: it goes on. ok None: it has not ended."""

    name: str
    started_at: float
    ended_at: float | None = None
    ok: bool | None = None
    detail: str = ""


@dataclass(frozen=True)
class StepView:
    """A step of an attempt. number: from 1. name: `setup` or a pipeline's. kind: setup, test or deploy.
    first_line: of the log, where its output begins; None before it has begun."""

    number: int
    name: str
    kind: str
    state: StepState
    exit_code: int | None = None
    reason: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    first_line: int | None = None


@dataclass(frozen=True)
class Progress:
    """All there is to say of an attempt so far; each takes the place of the one before. commit, message and
    author: of what was fetched."""

    phases: tuple[PhaseView, ...] = ()
    steps: tuple[StepView, ...] = ()
    commit: str | None = None
    message: str = ""
    author: str = ""
    plan_digest: str | None = None


@dataclass(frozen=True)
class Ended:
    """How an attempt came out, and its signed receipt; None where no machine had run."""

    outcome: Outcome
    reason: str
    receipt: bytes | None = None
    key_id: str = ""


@dataclass(frozen=True)
class BuildView:
    """A build as it is shown. number: within its project, from 1. attempt: 0 before the first. run: id of the
    latest attempt, None before the first. waiting: why, while it waits (only of one build, not in lists).
    Times: seconds since 1970."""

    id: str
    account: str
    project: str
    project_name: str
    number: int
    state: BuildState
    outcome: Outcome | None
    reason: str
    trigger: Trigger
    ref: str | None
    branch: str | None
    commit: str | None
    message: str
    author: str
    person: str | None
    pipelines: tuple[str, ...]
    restart_of: str | None
    attempt: int
    protected: bool
    from_fork: bool
    created_at: float
    started_at: float | None
    ended_at: float | None
    secrets_of: str | None = None
    stopping: bool = False
    worker: str | None = None
    phases: tuple[PhaseView, ...] = ()
    steps: tuple[StepView, ...] = ()
    waiting: Waiting | None = None

    @property
    def run(self) -> str | None:
        return run_id(self.id, self.attempt) if self.attempt else None

    @property
    def status(self) -> str:
        """One word for people: `queued`, `running`, `stopping`, or how it came out."""
        if self.state is BuildState.ENDED:
            return (self.outcome or Outcome.ERROR).value
        return "stopping" if self.stopping else self.state.value

    @property
    def failed_pipelines(self) -> tuple[str, ...] | None:
        """What a restart of what failed begins: the pipelines that did not pass, those that were not begun
        among them. What was asked for, where none of them is known to be one (empty: all). None while there
        is nothing to begin again so: it has not ended, or it is green."""
        if self.state is not BuildState.ENDED or self.outcome is Outcome.GREEN:
            return None
        tests = (step for step in self.steps if step.kind == "test")
        return tuple(step.name for step in tests if step.state is not StepState.PASSED) or self.pipelines


@dataclass(frozen=True)
class BuildFilter:
    """Which builds. Each that is given must hold. mine: of this person, by id. before: the id of the last one
    of the page before."""

    project: str | None = None
    branch: str | None = None
    state: BuildState | None = None
    outcome: Outcome | None = None
    mine: str | None = None
    commit: str | None = None
    before: str | None = None
    limit: int = 30


@dataclass(frozen=True)
class Created:
    """build: the one for this delivery. new: False if that was there before. superseded: ids."""

    build: str
    new: bool
    superseded: tuple[str, ...] = ()


@dataclass(frozen=True)
class Work:
    """What the worker that has a build must know of it. project: with its sealed key."""

    build: BuildView
    project: Project
    settings: ProjectSettings


class BuildRecords(Protocol):
    """Where builds are kept. account: an id; what is another account's is not found. Each call is one
    transaction; TemporaryError if the records cannot be reached."""

    async def create(self, account: str, new: NewBuild, protected: bool) -> Created:
        """Number it, keep it and put it into the queue, or find it by its delivery. UsageError if there is
        no such project."""
        ...

    async def get(self, account: str, build: str) -> BuildView | None:
        """A build with its steps, by its id."""
        ...

    async def numbered(self, account: str, project: str, number: int) -> BuildView | None:
        """The build of that number of the project of that id."""
        ...

    async def page(self, account: str, which: BuildFilter) -> Sequence[BuildView]:
        """The newest first, without steps and phases, at most `which.limit`. UsageError for a
        `before` that is unknown."""
        ...

    async def latest_of_branches(self, account: str, branches: Sequence[tuple[str, str]]) -> list[BuildView]:
        """For each project id and branch, the newest build that has ended, where there is one. A green one of
        some pipelines counts only if those it repeats leave no pipeline that did not pass."""
        ...

    async def last_green(self, account: str, build: BuildView) -> BuildView | None:
        """The newest green build of the same project and branch before this one, with its steps; None of
        one that belongs to no branch."""
        ...

    async def work(self, fence: Fence) -> Work | None:
        """What whoever has it must know; None if that is not who holds the fence."""
        ...

    async def progress(self, fence: Fence, progress: Progress) -> bool:
        """Keep what a worker says. False, and nothing is kept, if it no longer has the build. UsageError for
        steps that are not numbered, or too many of them."""
        ...

    async def end(self, fence: Fence, ended: Ended) -> bool:
        """The attempt ended and its machine is gone; the receipt is kept with it, or neither. False: the
        worker no longer has it, or said something else before. Saying the same again is True once more."""
        ...

    async def receipt(self, account: str, build: str, attempt: int | None = None) -> bytes | None:
        """The signed receipt of an attempt, the latest that has one if none is named."""
        ...
