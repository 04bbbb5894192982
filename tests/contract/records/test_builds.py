"""Builds as the server keeps them: made, claimed, told of, ended."""

from __future__ import annotations

import pytest

from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, StepState, Trigger
from sealock.core.builds import Ended
from tests.support.records import COMMIT, Records, progress

pytestmark = pytest.mark.anyio


async def test_a_build_goes_from_the_queue_to_its_receipt(records: Records) -> None:
    build = await records.make(message="Add tea\0", author="Ada", pipelines=("unit",), protected=True)
    queued = await records.build(build)
    assert (queued.number, queued.state, queued.attempt, queued.run) == (1, BuildState.QUEUED, 0, None)
    assert (queued.trigger, queued.branch, queued.ref) == (Trigger.PUSH, "main", "refs/heads/main")
    assert (queued.pipelines, queued.protected, queued.project_name) == (("unit",), True, "shop")
    assert queued.message == "Add tea\N{REPLACEMENT CHARACTER}"
    assert queued.waiting and (queued.waiting.position, queued.waiting.of) == (1, 1)

    fence = await records.claim()
    work = await records.builds.work(fence)
    assert work and work.build.id == build and work.project.name == "shop"
    said = progress(StepState.PASSED, StepState.RUNNING)
    assert await records.builds.progress(fence, said)
    running = await records.build(build)
    assert (running.state, running.attempt, running.worker, running.run) == ("running", 1, "w", build)
    assert (running.steps, running.phases, running.commit) == (said.steps, said.phases, COMMIT)
    assert (running.message, running.author, running.waiting) == ("Add tea", "Ada", None)

    assert await records.builds.end(fence, Ended(Outcome.RED, "unit failed", b"signed", "key"))
    ended = await records.build(build)
    assert (ended.state, ended.outcome, ended.reason) == (BuildState.ENDED, Outcome.RED, "unit failed")
    assert ended.steps[1].state is StepState.STOPPED
    assert await records.builds.receipt(records.account, build) == b"signed"
