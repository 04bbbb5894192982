"""Where a build that the server keeps stands. How it came out is `core.build.Outcome`."""

from __future__ import annotations

from enum import StrEnum


class BuildState(StrEnum):
    """queued → running → ended; a build whose worker was lost goes back to queued, with the next attempt."""

    QUEUED = "queued"
    RUNNING = "running"
    ENDED = "ended"


class StepState(StrEnum):
    """Where a step of one attempt stands."""

    WAITING = "waiting"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    STOPPED = "stopped"  # cancelled, silent, too long, or its machine was lost
    SKIPPED = "skipped"


class Trigger(StrEnum):
    """What asked for a build."""

    PUSH = "push"
    TAG = "tag"
    PULL_REQUEST = "pull-request"
    PERSON = "person"  # by a button, a command or the API
    RESTART = "restart"
    SCHEDULE = "schedule"
