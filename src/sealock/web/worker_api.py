"""The door for workers, on a port of its own: joining, claiming, and what a worker does for itself.

What it says of a build it has is in `worker_builds`. No other door is on this port, and no page.
"""

from __future__ import annotations

import hashlib
import ssl

from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sealock.builds import worker_wire as wire
from sealock.core.builds import run_id
from sealock.core.decision import Denied
from sealock.core.errors import UsageError
from sealock.core.queue import LABEL, SAFETY_POLL, WORK, Claim, stop_topic
from sealock.core.workers import Worker
from sealock.web import worker_builds
from sealock.web.app import NO_TELEMETRY
from sealock.web.problems import tell_problems
from sealock.web.rates import Rate, TooOften
from sealock.web.security import address_of
from sealock.web.worker_auth import Ports, Speaking
from sealock.web.worker_bodies import body_of, bytes_said, message_of, said
from sealock.web.worker_holding import Holding
from sealock.web.worker_polls import LongPolls
from sealock.web.worker_ports import WorkerPorts

ASKING = Rate("authority", "60/minute")
"""Of the certificate, by anybody: each time it is read from the disk."""
JOINING = Rate("join", "30/minute")
"""By its size a token cannot be guessed; this keeps the log short and the database idle."""

router = APIRouter(prefix=wire.ROOT)


def make_worker_app(ports: WorkerPorts) -> FastAPI:
    """The application, for `worker_server.WorkerDoor`."""
    app = FastAPI(
        title="Sealock for workers",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry=NO_TELEMETRY,
        redirect_slashes=False,
    )
    app.state.ports, app.state.holding, app.state.polls = ports, Holding(ports.builds), LongPolls()
    app.state.renewed = {}
    tell_problems(app)
    app.include_router(router)
    app.include_router(worker_builds.router)
    return app


@router.get("/authority")
async def authority(request: Request, ports: Ports) -> Response:
    """The certificate of our authority, for whoever has its fingerprint."""
    if isinstance(await ports.rates.count(ASKING, address_of(request.scope)), TooOften):
        raise HTTPException(429, "Too many requests.")
    return bytes_said(ports.certifying.authority_certificate())


@router.post("/join")
async def join(request: Request, ports: Ports) -> Response:
    """A certificate for a token that works once."""
    if isinstance(await ports.rates.count(JOINING, address_of(request.scope)), TooOften):
        raise HTTPException(429, "Too many requests.")
    asked = await message_of(request, wire.Join)
    made = await ports.certifying.join(asked.token, asked.request.encode())
    if isinstance(made, Denied):
        raise HTTPException(403, made.reason)
    worker = await ports.workers.named(made.worker)
    if worker is None or not await ports.workers.joined(
        worker.id, digest_of(made.certificate), worker.certificate
    ):
        raise HTTPException(403, "This worker was removed.")
    return said(wire.Certified(certificate=made.certificate.decode()))


@router.post("/renew")
async def renew(request: Request, ports: Ports, worker: Speaking) -> Response:
    """A new certificate, which works once it is adopted: a lost answer must not lock a worker out."""
    asked = await message_of(request, wire.Renew)
    made = ports.certifying.renew(worker.name, asked.request.encode())
    request.app.state.renewed[worker.id] = digest_of(made)
    return said(wire.Certified(certificate=made.decode()))


@router.post("/adopt")
async def adopt(request: Request, ports: Ports, worker: Speaking) -> Response:
    """From now on the worker shows the certificate it had made last; 400 if there is none: it asks anew."""
    digest = request.app.state.renewed.pop(worker.id, None)
    if digest is None:
        raise UsageError("there is no certificate to adopt")
    if not await ports.workers.joined(worker.id, digest, worker.certificate):
        raise HTTPException(401, "This certificate is no worker's, or no longer.")
    return said(wire.Done())


@router.post("/hello")
async def hello(request: Request, ports: Ports, worker: Speaking) -> Response:
    """A worker starts."""
    told = await message_of(request, wire.Hello)
    if not all(LABEL.fullmatch(label) for label in told.labels) or not told.version.isprintable():
        raise UsageError("that cannot be a label or a version")
    # Without labels of its own it keeps those it was added with.
    await ports.workers.hello(worker.id, told.version, told.machines, told.labels or worker.labels)
    return said(wire.Welcome(name=worker.name, version=ports.version))


@router.post("/known")
async def known(request: Request, ports: Ports, worker: Speaking) -> Response:
    """Whether the keeper makes leases for this worker; where we may, it is admitted now."""
    asked = await message_of(request, wire.AskKnown)
    found = await ports.roll.introduce(worker.name, asked.key)
    await ports.workers.known(worker.id, asked.key, known=found)
    return said(wire.IsKnown(known=found))


@router.post("/drain")
async def drain(ports: Ports, worker: Speaking) -> Response:
    """A worker is about to stop: it gets nothing new, and the claim it waits in is answered."""
    await ports.queue.drain(worker.id)
    await ports.wakeups.tell(stop_topic(worker.id))
    return said(wire.Done())


@router.post("/claim")
async def claim(request: Request, ports: Ports, worker: Speaking) -> Response:
    """The next build, or after a while that there is none."""
    await body_of(request, 0)  # so that what comes next on this connection is its end
    claimed = await _next(request, ports, worker)
    return said(wire.Claimed(job=None if claimed is None else await _job(ports, claimed)))


async def _next(request: Request, ports: WorkerPorts, worker: Worker) -> Claim | None:
    """Whoever is woken looks once more and is answered, so that one that drains need not wait."""
    polls: LongPolls = request.app.state.polls
    async with ports.wakeups.subscribe(WORK, stop_topic(worker.id)) as woken:
        for _ in range(round(wire.CLAIM_WAIT / SAFETY_POLL)):
            found = await ports.queue.claim(worker.id)
            if found is not None:
                return found
            told = await polls.wait(woken, SAFETY_POLL)
            # A build that is given to a worker that has gone would wait for its lease to end.
            if polls.ending or await request.is_disconnected():
                return None
            if told:
                return await ports.queue.claim(worker.id)
    return None


async def _job(ports: WorkerPorts, claim: Claim) -> wire.Job | None:
    """None if it is not the worker's any more, which can be if it was cancelled at this moment."""
    work = await ports.builds.work(claim.fence)
    if work is None:
        return None
    build = work.build
    return wire.Job(
        build=build.id,
        attempt=claim.fence.attempt,
        run=run_id(claim.fence.build, claim.fence.attempt),
        lease=claim.lease,
        away=claim.away,
        account=build.account,
        ref=build.ref,
        branch=build.branch,
        commit=build.commit,
        protected=build.protected,
        pipelines=build.pipelines,
        pinned=build.secrets_of is not None,
        project=work.project,
        settings=work.settings,
    )


def digest_of(certificate: bytes) -> bytes:
    """SHA-256 of the DER form of a certificate in PEM: what `WorkerRecords` knows a worker by."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.decode())).digest()
