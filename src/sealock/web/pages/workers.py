"""The hosts that builds run on: added, drained, removed, by whoever operates the installation."""

from __future__ import annotations

import shlex
import time
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from sealock.core.access import Permission
from sealock.core.errors import UsageError
from sealock.core.lease import admit_command
from sealock.core.naming import rule_of
from sealock.core.queue import LABEL, MOST_LABELS
from sealock.core.worker_state import WorkerState
from sealock.core.workers import MOST_MACHINES, WORKER_NAME, Worker
from sealock.web.asking import service_of
from sealock.web.origin import Origin
from sealock.web.pages.forms import Faults, Form, read_form, see_other
from sealock.web.pages.frame import Needs, Viewer, render
from sealock.web.problems import sentence
from sealock.web.removing_workers import remove_worker

WORKER_PORT = 8444
"""The usual one."""
AWAY = 60.0
"""Seconds without a word after which a worker is shown as away."""
MOST_REMOVED = 20
"""Of those that were removed, the last ones are shown."""

Operator = Annotated[Viewer, Depends(Needs(Permission.WORKERS_WRITE))]
router = APIRouter(prefix="/workers", include_in_schema=False)


@router.get("")
async def workers_page(request: Request, asker: Operator) -> Response:
    """The page."""
    return await _page(request)


@router.post("")
async def add_worker(request: Request, asker: Operator) -> Response:
    """Add one; the page then has, once, what it joins with."""
    form, faults = await read_form(request), Faults()
    name, labels = form.text("name"), form.words("labels")
    if not WORKER_NAME.fullmatch(name):
        faults.add("name", rule_of(WORKER_NAME))
    if len(labels) > MOST_LABELS or not all(LABEL.fullmatch(one) for one in labels):
        faults.add("labels", f"{rule_of(LABEL)} At most {MOST_LABELS} labels.")
    machines = faults.number(form, "machines", 1, MOST_MACHINES)
    if faults or machines is None:
        return await _page(request, form=form, faults=faults)
    try:
        worker = await service_of(request).workers.add(name, labels, machines)
    except UsageError as error:
        faults.add("name", sentence(error))
        return await _page(request, form=form, faults=faults)
    return await _invited(request, worker)


@router.post("/{name}/invite")
async def invite_worker(request: Request, name: str, asker: Operator) -> Response:
    """A new token for it, in the place of any before; shown once."""
    return await _invited(request, await _named(request, name))


@router.post("/{name}/drain")
async def drain_worker(request: Request, name: str, asker: Operator) -> Response:
    """It finishes what it has and takes nothing new, until it is started again."""
    await service_of(request).queue.drain((await _named(request, name)).id)
    return see_other("/workers")


@router.post("/{name}/revoke")
async def revoke_worker(request: Request, name: str, asker: Operator) -> Response:
    """Its certificate opens nothing any more. Asked for by typing its name."""
    worker = await _named(request, name)
    if (await read_form(request)).text("name") != worker.name:
        faults = Faults({f"revoke {worker.name}": f"Type the worker's name, {worker.name}, to have it done."})
        return await _page(request, faults=faults)
    await remove_worker(service_of(request), worker)
    return see_other("/workers")


async def _named(request: Request, name: str) -> Worker:
    worker = await service_of(request).workers.named(name) if WORKER_NAME.fullmatch(name) else None
    if worker is None:
        raise HTTPException(404, "There is no such worker.")
    return worker


async def _invited(request: Request, worker: Worker) -> Response:
    with await service_of(request).invites.invite(worker.name) as token:
        text = token.reveal().decode()
    return await _page(request, invited=worker.name, token=text)


def _join_command(request: Request) -> str:
    """What is run on the worker's host, as far as it is known: the address for workers is its own port."""
    address = service_of(request).site.workers
    if not address:
        address = str(Origin(Origin.parse(str(request.base_url)).host, WORKER_PORT))
    server = address if address.startswith("https://") else f"https://{address}"
    return f"sealock worker --server {shlex.quote(server)} --state /var/lib/sealock-worker --join -"


def _in_order(worker: Worker) -> tuple[float, str]:
    """By name; those that were removed by when that was, the latest first."""
    removed = worker.state is WorkerState.REVOKED
    return -(worker.removed_at or worker.created_at) if removed else 0.0, worker.name


async def _page(
    request: Request,
    *,
    form: Form | None = None,
    faults: Faults | None = None,
    invited: str = "",
    token: str = "",
) -> Response:
    return render(
        request,
        "workers.html",
        422 if faults else 200,
        workers=sorted(await service_of(request).workers.all(), key=_in_order),
        most_removed=MOST_REMOVED,
        form=form or Form(),
        faults=(faults or Faults()).found,
        invited=invited,
        token=token,
        join_command=_join_command(request),
        admit_command=admit_command,
        most_machines=MOST_MACHINES,
        away=AWAY,
        now=time.time(),
    )
