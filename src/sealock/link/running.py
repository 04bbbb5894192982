"""One build of a worker, from its claim to the website's word that it has ended.

Beside the build beats go out. What they say ends it: cancelled, its machine is destroyed and that is told;
lost, its machine is destroyed and nothing is told at all. While the website is away the build goes on, and
its end waits to be told, for as long as the website has said.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from sealock.builds.checkout import CheckoutPorts
from sealock.builds.patience import cancelled_once
from sealock.builds.request import Known, RunPorts, RunRequest, SecretPorts
from sealock.builds.run import Runner, RunResult
from sealock.builds.worker_wire import Job, shown
from sealock.core.build import BuildRecord, Outcome
from sealock.core.errors import InfrastructureError, PermanentError, SealockError, TemporaryError, UsageError
from sealock.core.machine import Ending
from sealock.core.project import Project
from sealock.core.queue import Beat
from sealock.core.scratch import scratch
from sealock.core.source import GitAddress, RemoteSource
from sealock.link.beating import Beats
from sealock.link.errors import Lost, NotKnown
from sealock.link.host import CarriedKeeper, HostPorts
from sealock.link.job import JobLink, until_answered
from sealock.link.logs import SentLogs
from sealock.link.reporting import Reporting
from sealock.link.values import JobValues
from sealock.link.website import Website

log = logging.getLogger(__name__)

STOPPING = 60.0
"""Seconds in which the end of a build is said, its log included, once nothing beats for it any more."""

GIVING_BACK = 15.0
"""Seconds in which a build is said to be given back. Where nobody hears it, its lease ends by itself."""

STOPPED = "the worker was stopped"
FAILED = "failed"
"""How a build came out that could not be run."""


class JobProjects:
    """The one project of a build (`core.project.ProjectReader`)."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def get(self, name: str) -> Project:
        """It is asked for again only if its key was sealed anew meanwhile: the next attempt gets that."""
        raise TemporaryError(
            f"the key of {name[:80]} was sealed anew while it was to be used",
            resolution="Nothing has to be done: the build is tried again.",
        )

    def for_address(self, address: GitAddress) -> Project | None:
        """The project, if it is its repository."""
        return self._project if address == self._project.address else None


@dataclass(frozen=True)
class Ends:
    """What there is to say of an attempt that is over. record: None where no machine had run."""

    outcome: Outcome
    reason: str
    record: BuildRecord | None = None


@dataclass(frozen=True)
class Fails:
    """It could not be run. temporary: a second try may succeed."""

    reason: str
    temporary: bool


def what_to_say(result: RunResult) -> Ends | Fails:
    """Of a build whose machine has run: what is our own fault is tried again where that may help."""
    record = result.record
    assert record.outcome is not None
    if isinstance(result.error, InfrastructureError):
        return Fails(shown(result.error), result.error.retryable)
    machine = record.machine
    if record.outcome is Outcome.MACHINE_LOST and machine is not None and machine.ending is Ending.LOST:
        return Fails(record.reason, temporary=True)
    reason = shown(result.error) if isinstance(result.error, UsageError) else record.reason
    return Ends(record.outcome, reason, record)


def what_to_say_of(error: BaseException, name: str) -> Ends | Fails:
    """Of a build that ended before a machine had run. name: of it, for our log."""
    if isinstance(error, asyncio.CancelledError):
        return Ends(Outcome.CANCELLED, "it was cancelled")
    if isinstance(error, UsageError):
        return Ends(Outcome.ERROR, shown(error))
    if isinstance(error, SealockError):
        return Fails(shown(error), isinstance(error, TemporaryError))
    log.error("%s: ended by a fault", name, exc_info=error)
    return Fails(f"a fault of Sealock: {type(error).__name__}", temporary=False)


class RunningBuild:
    """One attempt. go: to be awaited once."""

    def __init__(self, website: Website, job: Job, host: HostPorts) -> None:
        self._job, self._host = job, host
        self._link = JobLink(website, job)
        self._stopped = asyncio.Event()
        self._task: asyncio.Task[RunResult] | None = None

    def stop(self) -> None:
        """Give it back: its machine is destroyed, and another try is asked for, once and not for long."""
        self._stopped.set()
        if self._task is not None:
            self._task.cancel()

    async def go(self) -> str:
        """Run it and say how it came out; a word about that. Cancelled, it leaves no machine and says
        nothing."""
        with scratch(self._host.runtime_dir, "joblog") as directory:
            keeper = self._host.keeper(self._link.carry)
            logs = SentLogs(self._link, keeper, self._host.seal, self._host.logs(directory), directory)
            reporting = Reporting(self._link)
            beats = Beats(self._link.beat, self._job.lease, self._job.away)
            told = asyncio.create_task(beats.until_told())
            self._task = asyncio.create_task(self._run(keeper, logs, reporting))
            try:
                return await self._go(self._task, told, logs, reporting)
            finally:
                await _end(self._task, self._job.name)
                told.cancel()
                await asyncio.gather(told, return_exceptions=True)
                await reporting.give_up()
                await logs.give_up()

    async def _go(
        self,
        run: asyncio.Task[RunResult],
        told: asyncio.Task[Beat],
        logs: SentLogs,
        reporting: Reporting,
    ) -> str:
        await asyncio.wait({run, told}, return_when=asyncio.FIRST_COMPLETED)
        say = await _end(run, self._job.name)
        if _is_lost(told):
            return "lost"
        cancelled = isinstance(say, Ends) and say.outcome is Outcome.CANCELLED
        if cancelled and self._stopped.is_set() and not told.done():
            say = Fails(STOPPED, temporary=True)
        saying = asyncio.create_task(self._say(say, logs, reporting))
        try:
            return await _unless_lost(saying, told, self._stopped)
        finally:
            saying.cancel()
            await asyncio.gather(saying, return_exceptions=True)

    async def _say(self, say: Ends | Fails, logs: SentLogs, reporting: Reporting) -> str:
        """Everything of it first; its end is the last that is said."""
        try:
            await logs.finish()
            if isinstance(say, Ends):
                ends = say
                await until_answered(lambda: reporting.finish(ends.outcome))
                await until_answered(lambda: self._link.end(ends.outcome, ends.reason, ends.record))
                return ends.outcome.value
            await until_answered(lambda: reporting.finish(Outcome.ERROR))
        except (Lost, NotKnown):
            raise
        except PermanentError as error:
            log.error("%s: %s", self._job.name, error)
            say = Fails(f"{shown(error)}: {error.details}", temporary=False)
        failed = say
        await until_answered(lambda: self._link.fail(failed.reason, temporary=failed.temporary))
        return "given back" if failed.reason == STOPPED else FAILED

    async def _run(self, keeper: CarriedKeeper, logs: SentLogs, reporting: Reporting) -> RunResult:
        job, values = self._job, JobValues(self._link)
        ports = self._ports(keeper, logs, values)
        request = RunRequest(
            RemoteSource(
                checked_address(job, self._host.checkout), _wanted(job), job.branch if job.protected else None
            ),
            job.pipelines,
            project=job.project,
            pinned=await self._link.pinned() if job.pinned else None,
            known=known_of(job, self._host.checkout.check_ref),
            planned=reporting.planned,
        )
        return await Runner(ports).run(request, reporting.take, logs.drained)

    def _ports(self, keeper: CarriedKeeper, logs: SentLogs, values: JobValues) -> RunPorts:
        host, job = self._host, self._job
        image = job.settings.image or host.default_image
        secrets = SecretPorts(
            leases=keeper,
            values=values,
            belongs_to=host.belongs_to,
            new_masker=host.new_masker,
            logs=logs,
            protected_branches=(job.branch,) if job.protected and job.branch is not None else (),
            bring=values.bring,
        )
        return RunPorts(
            machines=host.machines,
            images=host.images,
            repositories=host.repositories,
            projects=JobProjects(job.project),
            receipts=None,
            checkout=host.checkout,
            secrets=secrets,
            read_plan=host.read_plan(image),
            default_image=image,
        )


def known_of(job: Job, check_ref: Callable[[str], str]) -> Known:
    """What the steps are told of their build. They have it from the website and may use it as an argument, a
    name or a part of a command: so it is only what could name something in Git and, with a branch, nothing
    but this branch, whether or not the website calls it protected here. check_ref: as in `CheckoutPorts`.
    UsageError for anything else."""
    for name in (job.ref, job.branch):
        if name is not None:
            check_ref(name)
    if job.branch is not None and job.ref not in (None, job.branch, f"refs/heads/{job.branch}"):
        raise UsageError(
            f"the build is said to be of the branch {job.branch}, and of {job.ref}",
            resolution="Start a build of the branch.",
        )
    return Known(job.run, job.ref, job.branch)


def checked_address(job: Job, ports: CheckoutPorts) -> GitAddress:
    """The address of what is built, if it is in its one spelling: the website sends it in parts, and these
    become lines of the configuration that the guest's ssh gets. UsageError for anything else."""
    address = job.project.address
    if ports.parse_address(str(address)) != address:
        raise UsageError(
            f"{str(address)!r} is not how the address of a repository is written",
            resolution="Run the same version of Sealock on the website and its workers. If they do, make a "
            "project for this repository anew.",
        )
    return address


def _wanted(job: Job) -> str | None:
    """The very commit where it is known, whatever the branch is at by now."""
    if job.commit is not None:
        return job.commit
    return f"refs/heads/{job.branch}" if job.branch is not None else job.ref


async def _end(run: asyncio.Task[RunResult], name: str) -> Ends | Fails:
    """Its end, which is brought about if it goes on: then its machine is gone when this returns."""
    run.cancel()
    try:
        return what_to_say(await cancelled_once(_result(run)))
    except (Exception, asyncio.CancelledError) as error:
        return what_to_say_of(error, name)


async def _result(run: asyncio.Task[RunResult]) -> RunResult:
    return await run


async def _unless_lost(saying: asyncio.Task[str], told: asyncio.Task[Beat], stopped: asyncio.Event) -> str:
    """What is said, unless the build is lost first. One that is cancelled has no more beats, and one that is
    given back nobody here waits for, so neither is waited for without end."""
    stopping = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait({saying, told, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
    if not saying.done() and not _is_lost(told):
        await asyncio.wait({saying}, timeout=GIVING_BACK if stopped.is_set() else STOPPING)
    if not saying.done():
        return "lost"
    try:
        return saying.result()
    except (Lost, NotKnown):
        return "lost"


def _is_lost(told: asyncio.Task[Beat]) -> bool:
    """Also where the website does not know us any more."""
    return told.done() and (told.exception() is not None or told.result() is Beat.LOST)
