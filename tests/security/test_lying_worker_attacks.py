"""A worker that has a build and says of it what cannot be: it gets a refusal, the build's page stays whole,
and nothing it says makes the website fail."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealock.builds import worker_wire as wire
from sealock.builds.reported import progress_fits
from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, StepState
from sealock.core.builds import PhaseView, Progress, StepView
from sealock.core.errors import SealockError
from sealock.core.project_settings import ProjectSettings
from sealock.link.errors import Lost, NotTaken, WebsiteAway
from sealock.link.identity import trusting
from sealock.link.job import JobLink
from sealock.link.website import Website
from tests.support.checkout import Bench, bench
from tests.support.site import make_site
from tests.support.worker_site import WorkerSite, worker_site

pytestmark = pytest.mark.anyio


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        yield found


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[WorkerSite]:
    async with worker_site(tmp_path) as found:
        yield found


@pytest.fixture
async def website(site: WorkerSite) -> AsyncIterator[Website]:
    """As a worker that has joined."""
    _, identity = await site.joined()
    async with Website(site.url, identity.tls()) as found:
        await found.say("hello", wire.Hello(version="1", machines=4, labels=()), wire.Welcome)
        yield found


@pytest.fixture
async def job(site: WorkerSite, website: Website, made: Bench) -> wire.Job:
    """A build that worker has."""
    project = await site.add_project(made, ProjectSettings())
    await site.push(project, "ab" * 20)
    found = (await website.say("claim", None, wire.Claimed, wait=20)).job
    assert found is not None
    return found


STEP = StepView(1, "unit", "test", StepState.RUNNING, None, "", 1e9, None, 1)
PHASE = PhaseView("machine", 1e9)
STRANGE = {
    "a time far beyond any": replace(STEP, started_at=1e308),
    "a time before all": replace(STEP, ended_at=-1e308),
    "an exit code that is no number of a program": replace(STEP, exit_code=10**30),
    "a line there cannot be": replace(STEP, first_line=10**30),
    "a line before the first": replace(STEP, first_line=-1),
    "a kind of step there is not": replace(STEP, kind="other"),
}


@pytest.mark.parametrize("how", STRANGE)
def test_a_step_that_cannot_be_is_refused(how: str) -> None:
    assert progress_fits(Progress(steps=(STEP,), phases=(PHASE,)), None)
    assert not progress_fits(Progress(steps=(STRANGE[how],)), None)


@pytest.mark.parametrize("at", [1e308, -1.0, float("inf"), float("nan")])
def test_a_phase_at_a_time_that_cannot_be_is_refused(at: float) -> None:
    assert not progress_fits(Progress(phases=(PhaseView("machine", at),)), None)
    assert not progress_fits(Progress(phases=(PhaseView("machine", 1.0, at),)), None)


@pytest.mark.slow
async def test_strange_words_are_refused_and_break_nothing(
    site: WorkerSite, website: Website, job: wire.Job
) -> None:
    for step in STRANGE.values():
        with pytest.raises(NotTaken):
            await JobLink(website, job).progress(Progress(steps=(step,)))
    for path in (f"builds/{job.build}/{10**30}", f"builds/{job.build}/-1", "builds/no%20build/1"):
        for what, words in (("beat", b'{"wait": 0.0}'), ("fail", b'{"reason": "", "temporary": true}')):
            with pytest.raises((NotTaken, Lost)):
                await website.send(f"{path}/{what}", words)
    assert (await site.build(job.build)).steps == ()


@pytest.mark.slow
@pytest.mark.parametrize("outcome", [Outcome.GREEN, Outcome.RED, Outcome.SILENT, Outcome.TOO_LONG])
async def test_commands_that_ended_so_without_a_record_are_not_believed(
    site: WorkerSite, website: Website, job: wire.Job, outcome: Outcome
) -> None:
    """A build would be green without a receipt that says of what."""
    with pytest.raises(NotTaken):
        await JobLink(website, job).end(outcome, "", None)
    assert (await site.build(job.build)).state is BuildState.RUNNING
    await JobLink(website, job).end(Outcome.ERROR, "there is no image", None)
    assert (await site.build(job.build)).outcome is Outcome.ERROR


def _statements(**machine: Any) -> bytes:
    """A receipt of one build, with this said of its machine."""
    first = {
        "predicate": {
            "buildDefinition": {
                "externalParameters": {"source": "s", "ref": None},
                "resolvedDependencies": [],
            },
            "runDetails": {"builder": {"id": "b"}},
        }
    }
    ran: dict[str, Any] = {
        "outcome": "green", "startedOn": "x", "finishedOn": "y", "key": None, "releases": [],
        "commands": [{"step": "unit", "exitCode": 0, "milliseconds": 10**400}],
        "machine": {
            "id": "m", "image": "i", "networkPolicy": "none", "diskBytesWritten": 0, "peakMemoryBytes": 1,
            "ending": "x", "processReapedAt": "x", "memoryFreeAt": "x",
        } | machine,
    }  # fmt: skip
    second = {"subject": [{"name": "n", "digest": {"gitCommit": "ab" * 20}}], "predicate": ran}
    lines = (
        json.dumps({"payload": base64.b64encode(json.dumps(one).encode()).decode()})
        for one in (first, second)
    )
    return "\n".join(lines).encode()


@pytest.mark.parametrize("machine", [{}, {"peakMemoryBytes": 10**400}])
async def test_a_receipt_with_numbers_beyond_any_still_has_a_page(
    tmp_path: Path, machine: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_site(tmp_path) as site, site.browser() as browser:

        async def receipt(account: str, build: str, attempt: int | None = None) -> bytes:
            return _statements(**machine)

        monkeypatch.setattr(site.builds, "receipt", receipt)
        answer = await browser.get(f"/builds/{site.green}/receipt")
    assert answer.status_code == 200


@pytest.mark.slow
async def test_a_stranger_at_the_workers_door_is_slowed_down(site: WorkerSite) -> None:
    """Without a certificate there are two things to ask for, and both cost us something."""
    async with Website(site.url, trusting(site.authority.certificate())) as nobody:
        assert await nobody.read("authority") == site.authority.certificate().read_bytes()
        with pytest.raises(SealockError):
            for _ in range(100):
                await nobody.read("authority")


@pytest.mark.slow
async def test_who_tries_join_tokens_is_slowed_down(site: WorkerSite) -> None:
    async with Website(site.url, trusting(site.authority.certificate())) as nobody:
        for _ in range(30):
            with pytest.raises(NotTaken):
                await nobody.send("join", b"{}")
        with pytest.raises(WebsiteAway) as away:
            await nobody.send("join", b"{}")
    assert "429" in str(away.value.details)
