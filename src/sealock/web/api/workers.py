"""The build servers of the installation: added, invited, drained, removed. They belong to no account."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import Field

from sealock.core.access import Permission
from sealock.core.workers import MOST_MACHINES
from sealock.core.workers import Worker as WorkerRecord
from sealock.web.api.errors import conflict, missing, naming
from sealock.web.api.lists import Cursor, Limit, part
from sealock.web.api.once import IdempotencyKey, once
from sealock.web.api.shapes import WHOLE, Given, Items, Labels, Told, Worker
from sealock.web.asking import Asker, AsksInstallation, service_of
from sealock.web.removing_workers import remove_worker as drop_worker
from sealock.web.written import WORKER

router = APIRouter(tags=["workers"])

Operator = Annotated[Asker, Depends(AsksInstallation(Permission.WORKERS_WRITE))]
NamePath = Annotated[str, Path(max_length=100, description="The worker's name.")]


class NewWorker(Given):
    """machines: builds at once."""

    name: Annotated[str, Field(pattern=WORKER)]
    labels: Labels = Field(default_factory=list)
    machines: Annotated[int, Field(ge=1, le=MOST_MACHINES), WHOLE] = 1


class Invitation(Told):
    """token: what `sealock worker` joins with, shown this once; it works once, within an hour. null where the
    request is sent again."""

    name: str
    token: str | None


class Drained(Told):
    """running: builds it still has."""

    name: str
    running: int


@router.get("/workers")
async def list_workers(
    request: Request, asker: Operator, cursor: Cursor = None, limit: Limit = 100
) -> Items[Worker]:
    """Every worker, by name; those that were removed too."""
    workers = await service_of(request).workers.all()
    return part(
        workers,
        lambda one: f"{one.name} {one.id}",
        Worker.of,
        question=("workers",),
        cursor=cursor,
        limit=limit,
    )


@router.post("/workers", status_code=201, response_model=Worker)
async def add_worker(
    request: Request, new: NewWorker, asker: Operator, key: IdempotencyKey = None
) -> Response:
    """A new worker, which has yet to join: invite it then."""
    records = service_of(request).workers

    async def make() -> Told:
        with conflict():
            return Worker.of(await records.add(new.name, tuple(new.labels), new.machines))

    return await once(request, asker, key, make)


@router.post("/workers/{name}/invite", status_code=201, response_model=Invitation)
async def invite_worker(
    request: Request, name: NamePath, asker: Operator, key: IdempotencyKey = None
) -> Response:
    """What this worker joins with, in the place of any before."""
    worker = await _named(request, name)

    async def make() -> Told:
        with naming("name", "path"):
            token = await service_of(request).invites.invite(worker.name)
        with token:
            return Invitation(name=worker.name, token=token.reveal().decode())

    return await once(request, asker, key, make, shown_once=("token",))


@router.post("/workers/{name}/drain")
async def drain_worker(request: Request, name: NamePath, asker: Operator) -> Drained:
    """It finishes what it has and is given nothing new."""
    worker = await _named(request, name)
    return Drained(name=worker.name, running=await service_of(request).queue.drain(worker.id))


@router.delete("/workers/{name}", status_code=204)
async def remove_worker(request: Request, name: NamePath, asker: Operator) -> None:
    """Its certificate opens nothing any more; what it has goes to others. Where the website may not say so to
    the keeper, the worker stays `known` there until an operator of the keeper removes it."""
    worker = await _named(request, name)
    if not await drop_worker(service_of(request), worker):
        raise missing("worker")


async def _named(request: Request, name: str) -> WorkerRecord:
    """The one of that name that is not revoked; 404."""
    worker = await service_of(request).workers.named(name) if name.isprintable() else None
    if worker is None:
        raise missing("worker")
    return worker
