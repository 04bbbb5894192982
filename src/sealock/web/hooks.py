"""The generic webhook: any Git server that can send a signed POST tells us of its pushes here.

The order is the barrier. The signature is checked on the bytes as they came; only then are they parsed; then
the time, and the delivery, both of which stand in what was signed. Whoever sends something unsigned learns
nothing, not even whether there is such a project.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time
from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import JSONResponse

from sealock.builds.hook_events import WINDOW, is_current, read_push
from sealock.core.secret import Secret
from sealock.web.ports import WebPorts
from sealock.web.rates import HOOK
from sealock.web.security import address_of

SIGNATURE = "X-Sealock-Signature"
_FORM = re.compile(r"sha256=([0-9a-f]{64})")
_NOBODYS = (Secret(secrets.token_bytes(32)),)

router = APIRouter()


def sign(body: bytes, secret: Secret) -> str:
    """What the signature header of a body says."""
    return "sha256=" + hmac.new(secret.reveal(), body, sha256).hexdigest()


def is_signed(body: bytes, signature: str, keys: tuple[Secret, ...]) -> bool:
    """Whether one of the keys made the signature of exactly these bytes."""
    if not _FORM.fullmatch(signature):
        return False
    found = [hmac.compare_digest(sign(body, key), signature) for key in keys]
    return any(found)


@router.post("/hooks/git/{project}", include_in_schema=False)
async def receive_push(
    request: Request, project: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
) -> JSONResponse:
    """202 for a push that was taken in, 200 for one we had already; what else, docs/hooks.md says."""
    ports: WebPorts = request.app.state.ports
    if not await ports.rates.count(HOOK, address_of(request.scope), project):
        raise HTTPException(429, "Too many pushes at once.", {"Retry-After": "60"})
    body = await request.body()
    target = await ports.hooks.target(project)
    keys = target.secrets if target else _NOBODYS
    if not is_signed(body, request.headers.get(SIGNATURE, ""), keys) or target is None:
        raise HTTPException(401, "The signature is missing or wrong.")
    push = read_push(body, ports.check_ref)
    if push.repository != target.repository:
        raise HTTPException(422, "repository: this hook is for another one.")
    if not is_current(push, time.time()):
        raise HTTPException(422, f"sent_at: it is more than {WINDOW} seconds away from our clock.")
    taken = await ports.hooks.take(project, push)
    return JSONResponse({"delivery": push.delivery, "taken": taken}, 202 if taken else 200)
