"""A build's receipt, told for people: what was built, in which machine, what was measured of it.

What is told here is what the receipt says, read without checking its signatures: a page could say anything.
Whoever wants to be sure downloads it and has `sealock receipt verify` look at it, with a key they kept.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from jinja2 import UndefinedError

from sealock.core.access import Permission
from sealock.core.builds import BuildView
from sealock.web.asking import service_of
from sealock.web.pages.build_access import build_for
from sealock.web.pages.frame import Asker, render

Attempt = Annotated[int | None, Query(ge=1, le=1000)]
MOST_COMMANDS = 200
LONGEST_SHOWN = 8 * 1024 * 1024

router = APIRouter(prefix="/builds/{build_id}/receipt", include_in_schema=False)


@dataclass(frozen=True)
class Told:
    """The two statements of a receipt, as JSON."""

    provenance: Mapping[str, Any]
    receipt: Mapping[str, Any]


@router.get("")
async def receipt_page(request: Request, build_id: str, asker: Asker, attempt: Attempt = None) -> Response:
    """The page."""
    build = await build_for(request, asker.person, build_id, Permission.BUILDS_READ)
    content = await _content(request, build, attempt)
    common: dict[str, Any] = {
        "build": build,
        "attempt": attempt,
        "size": len(content),
        "digest": hashlib.sha256(content).hexdigest(),
        "most": MOST_COMMANDS,
        "public_key": service_of(request).site.public_key.decode(errors="replace"),
        "file": file_name(build),
    }
    if told := read(content):
        # It was signed here, but what a page does with what is none of ours must not be left to chance.
        with suppress(UndefinedError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
            return render(request, "receipt.html", told=told, **common, **_shown(told))
    return render(request, "receipt.html", told=None, **common)


@router.get("/download")
async def receipt_file(request: Request, build_id: str, asker: Asker, attempt: Attempt = None) -> Response:
    """The receipt itself: two signed envelopes, a line each."""
    build = await build_for(request, asker.person, build_id, Permission.BUILDS_READ)
    content = await _content(request, build, attempt)
    name = {"Content-Disposition": f'attachment; filename="{file_name(build)}"'}
    return Response(content, 200, name, "application/jsonl")


def file_name(build: BuildView) -> str:
    """What it is saved as. A project's name is letters, digits, `.`, `_` and `-`."""
    return f"{build.project_name}-{build.number}.receipt.jsonl"


def read(content: bytes) -> Told | None:
    """What a receipt says; None for what is not one."""
    try:
        if len(content) > LONGEST_SHOWN:
            return None
        first, second = (_statement(line) for line in content.splitlines())
        return Told(first, second)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _statement(line: bytes) -> dict[str, Any]:
    envelope = json.loads(line)
    try:
        payload = base64.b64decode(envelope["payload"], validate=True)
    except binascii.Error as error:
        raise ValueError("not Base64") from error
    found: dict[str, Any] = json.loads(payload)
    return found


async def _content(request: Request, build: BuildView, attempt: int | None) -> bytes:
    content = await service_of(request).builds.receipt(build.account, build.id, attempt)
    if content is None:
        raise HTTPException(404, "There is no receipt of this build, or not yet.")
    return content


def _shown(told: Told) -> dict[str, Any]:
    """What the template needs, wherever it stands in the statements."""
    built, ran = told.provenance["predicate"]["buildDefinition"], told.receipt["predicate"]
    return {
        "subject": told.receipt["subject"][0],
        "parameters": built["externalParameters"],
        "resources": built["resolvedDependencies"],
        "builder": told.provenance["predicate"]["runDetails"]["builder"]["id"],
        "ran": ran,
        "machine": ran["machine"],
    }
