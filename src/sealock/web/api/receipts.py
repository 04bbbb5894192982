"""What stays of a build: its signed receipt, and which secrets it was given."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from sealock.core.access import Permission
from sealock.core.release import Basis
from sealock.web.api.errors import missing
from sealock.web.api.found import BuildPath, build_of
from sealock.web.api.shapes import Items, Told
from sealock.web.asking import Asker, Asks, service_of
from sealock.web.given import Given, given_to

router = APIRouter(tags=["builds"])

RECEIPT = "application/jsonl"
Attempt = Annotated[int | None, Query(ge=1, le=1000, description="Which attempt; the latest by default.")]


class Exposure(Told):
    """A secret that left the keeper. sequence: its entry of the ledger. step: `` if it was for no step. to:
    the worker or person that was given it. basis: why."""

    sequence: int
    at: float
    attempt: int
    kind: str
    name: str
    version: int
    step: str
    to: str
    basis: Basis


@router.get(
    "/builds/{build}/receipt",
    response_class=Response,
    responses={200: {"content": {RECEIPT: {"schema": {"type": "string"}}}}},
)
async def show_receipt(
    request: Request,
    build: BuildPath,
    asker: Annotated[Asker, Depends(Asks(Permission.BUILDS_READ))],
    attempt: Attempt = None,
) -> Response:
    """The receipt of an attempt: signed DSSE envelopes, a line each. `sealock receipt verify` checks it."""
    service = service_of(request)
    view = await build_of(service, asker, build)
    receipt = await service.builds.receipt(asker.account, view.id, attempt)
    if receipt is None:
        raise missing("receipt")
    name = f"{view.project_name}-{view.number}.receipt.jsonl"
    return Response(receipt, 200, {"Content-Disposition": f'attachment; filename="{name}"'}, RECEIPT)


@router.get("/builds/{build}/exposures")
async def list_exposures(
    request: Request, build: BuildPath, asker: Annotated[Asker, Depends(Asks(Permission.AUDIT_READ))]
) -> Items[Exposure]:
    """Which secrets its attempts were given: what to replace after an accident."""
    service = service_of(request)
    view = await build_of(service, asker, build)
    return Items(items=[_told(each) for each in await given_to(service.exposures, [view])])


def _told(given: Given) -> Exposure:
    names = ("kind", "name", "version", "step", "to", "basis")
    return Exposure(
        sequence=given.entry.sequence,
        at=given.entry.at,
        attempt=given.attempt,
        **{name: getattr(given.fact, name) for name in names},
    )
