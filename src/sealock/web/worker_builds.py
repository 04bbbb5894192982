"""What a worker says of a build it has. The build and its attempt stand in the path; who speaks, in the
certificate: so there is no way to say anything in another worker's name."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from sealock.builds import worker_wire as wire
from sealock.builds.pinned import versions_given
from sealock.builds.reported import Reported, needs_record, progress_fits, record_fits
from sealock.core.build import BuildRecord
from sealock.core.builds import Ended, Work, build_topic, run_id
from sealock.core.decision import Decision, Denied
from sealock.core.errors import UsageError
from sealock.core.log_pages import log_topic
from sealock.core.queue import Beat, Fence, stop_topic
from sealock.core.receipt import SignedReceipt
from sealock.core.sealed import Kind, Owner, RetiredKey, Sealed, SealedName
from sealock.web.worker_auth import Ports, Speaking
from sealock.web.worker_bodies import body_of, bytes_said, message_of, said
from sealock.web.worker_holding import Holding, lost
from sealock.web.worker_polls import LongPolls
from sealock.web.worker_ports import WorkerPorts

GIVEN = (Kind.VARIABLE, Kind.FILE)
"""Kinds a build may be given of its project's values."""

MOST_ATTEMPTS = 1000

router = APIRouter(prefix=wire.ROOT + "/builds/{build}/{attempt}")


async def fence_of(
    build: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")],
    attempt: Annotated[int, Path(ge=1, le=MOST_ATTEMPTS)],
    worker: Speaking,
) -> Fence:
    """What the worker says it has."""
    return Fence(build, attempt, worker.id)


def holding_of(request: Request) -> Holding:
    """Who has what."""
    holding = request.app.state.holding
    assert isinstance(holding, Holding)
    return holding


Fenced = Annotated[Fence, Depends(fence_of)]
Held = Annotated[Holding, Depends(holding_of)]


@router.post("/beat")
async def beat(request: Request, ports: Ports, fence: Fenced) -> Response:
    """That the worker is at it. The answer is held back while there is nothing to say."""
    asked = await message_of(request, wire.AskBeat)
    polls: LongPolls = request.app.state.polls
    async with ports.wakeups.subscribe(stop_topic(fence.worker)) as stop:
        answer = await ports.queue.beat(fence)
        if answer is Beat.OK and await polls.wait(stop, asked.wait):
            answer = await ports.queue.beat(fence)
    return said(wire.Beaten(beat=answer))


@router.post("/deployment")
async def deployment(ports: Ports, fence: Fenced) -> Response:
    """Before the first step that deploys; from then on nobody tries the build again unasked."""
    return said(wire.Beaten(beat=await ports.queue.begin_deployment(fence)))


@router.put("/progress")
async def progress(request: Request, ports: Ports, fence: Fenced, holding: Held) -> Response:
    """All there is to say so far."""
    told = (await message_of(request, wire.Report, wire.LONGEST_PROGRESS)).progress
    work = await holding.work(fence)
    decision = progress_fits(told, work.build.commit)
    if isinstance(decision, Denied):
        raise UsageError(f"that is no progress of this build: {decision.reason}")
    if not await ports.builds.progress(fence, told):
        holding.forget(fence)
        raise lost()
    await ports.wakeups.tell(build_topic(fence.build))
    return said(wire.Done())


@router.post("/log")
async def log(
    request: Request, ports: Ports, fence: Fenced, holding: Held, offset: Annotated[int, Query(ge=0)]
) -> Response:
    """Sealed bytes of this attempt's log; how many there are now. What does not continue it is not taken."""
    data = await body_of(request, wire.LONGEST_PIECE)
    await holding.work(fence)
    size = await asyncio.to_thread(ports.logs.append, _run(fence), offset, data)
    if data:
        await ports.wakeups.tell(log_topic(_run(fence)))
    return said(wire.LogSize(size=size))


@router.put("/log-key")
async def log_key(request: Request, ports: Ports, fence: Fenced, holding: Held) -> Response:
    """The key of this attempt's log, sealed to its project. The same one may come again."""
    sealed = (await message_of(request, wire.LogKey)).sealed
    work = await holding.work_now(fence)
    owner = _owner(work)
    if sealed.name != SealedName(owner.account, owner.project, Kind.LOG_KEY, _run(fence), 1):
        raise UsageError("that is not the key of this build's log")
    try:
        await asyncio.to_thread(_put_once, ports, sealed)
    except RetiredKey:
        return said(wire.Kept(retired=True))
    return said(wire.Kept(retired=False))


@router.post("/sealed")
async def sealed(request: Request, ports: Ports, fence: Fenced, holding: Held) -> Response:
    """A value of the build's project, as it lies there: sealed."""
    asked = await message_of(request, wire.AskSealed)
    work = await holding.work(fence)
    if asked.kind not in GIVEN:
        raise UsageError(f"a build is given no {asked.kind}")
    found = await asyncio.to_thread(ports.values.get, _owner(work), asked.kind, asked.name, asked.version)
    return said(wire.Found(sealed=found))


@router.post("/pinned")
async def pinned(ports: Ports, fence: Fenced, holding: Held) -> Response:
    """The versions of secrets that the build to be restarted was given."""
    work = await holding.work(fence)
    if work.build.secrets_of is None:
        return said(wire.Versions(pinned=None))
    try:
        found = await versions_given(work.build.secrets_of, ports.exposures)
    except UsageError:  # it was given nothing, so there is nothing to give again
        return said(wire.Versions(pinned=None))
    # A build that failed was not given what its later steps name; restarted, it may come that far.
    return said(wire.Versions(pinned=replace(found, rest_newest=True)))


@router.post("/keeper")
async def keeper(request: Request, ports: Ports, fence: Fenced, holding: Held) -> Response:
    """A frame for the keeper, carried only for who has the build at this moment."""
    frame = await body_of(request, wire.LONGEST_FRAME)
    work = await holding.work_now(fence)
    return bytes_said(await ports.relay.carry(frame, work, _run(fence)))


@router.post("/end")
async def end(request: Request, ports: Ports, fence: Fenced, holding: Held) -> Response:
    """The attempt ended. Its record is held against what is known, signed, and kept with the end, or none."""
    words = await body_of(request, wire.LONGEST_RECORD)
    if holding.ended_by(fence, words):
        return said(wire.Done())
    told = wire.decode(wire.End, words)
    work = await holding.work_now(fence)
    ended = Ended(told.outcome, told.reason)
    if told.record is None:
        _refuse(needs_record(told.outcome))
    else:
        signed = await asyncio.to_thread(_sign, ports, told.record, work, _run(fence), told)
        ended = Ended(told.outcome, told.reason, signed.envelope, signed.key_id)
    if not await ports.builds.end(fence, ended):
        raise lost()
    holding.end(fence, words)
    await ports.wakeups.tell(build_topic(fence.build))
    return said(wire.Done())


@router.post("/fail")
async def fail(request: Request, ports: Ports, fence: Fenced, holding: Held) -> Response:
    """It could not be run."""
    told = await message_of(request, wire.Fail)
    if not await ports.queue.fail(fence, told.reason, temporary=told.temporary):
        raise lost()
    holding.forget(fence)
    await ports.wakeups.tell(build_topic(fence.build))
    return said(wire.Done())


def _sign(ports: WorkerPorts, record: BuildRecord, work: Work, run: str, told: wire.End) -> SignedReceipt:
    log = ports.logs.digest(run) if record.log is not None else None
    _refuse(record_fits(Reported(record, work, run, told.outcome, time.time(), log)))
    try:
        return ports.signer.sign(record)
    except (ValueError, ArithmeticError) as error:  # a time no calendar has, for example
        raise UsageError("that is no record of this build: it cannot be written down") from error


def _refuse(decision: Decision) -> None:
    if isinstance(decision, Denied):
        raise UsageError(f"that is no record of this build: {decision.reason}")


def _put_once(ports: WorkerPorts, sealed: Sealed) -> None:
    found = ports.values.get(sealed.name.owner, Kind.LOG_KEY, sealed.name.name)
    if found is None:
        ports.values.put(sealed)
    elif found.data != sealed.data:
        raise UsageError("this build's log has a key already")


def _owner(work: Work) -> Owner:
    return Owner(work.build.account, work.project.id)


def _run(fence: Fence) -> str:
    return run_id(fence.build, fence.attempt)
