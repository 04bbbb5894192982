"""Which secrets a project's builds were given: after an accident, what to replace.

It is out of the keeper's ledger, where each line was written before the secret was handed out, so it is there
for a build that was killed and left no receipt.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from sealock.core.access import Permission
from sealock.core.builds import BuildView
from sealock.core.lease import KeeperAway
from sealock.web.asking import service_of
from sealock.web.given import Given, given_to
from sealock.web.pages.build_list import part_of, wanted_of
from sealock.web.pages.found import project_for
from sealock.web.pages.frame import Needs, Viewer, render

MOST_OF_A_BUILD = 20
"""So many of one build are shown, the first: a page has some thirty builds."""

Auditor = Annotated[Viewer, Depends(Needs(Permission.AUDIT_READ))]
router = APIRouter(prefix="/projects", include_in_schema=False)


@dataclass(frozen=True)
class GivenBuild:
    """What one build was given, in order, as far as it is shown. more: how many are not."""

    build: BuildView
    given: Sequence[Given]
    more: int


@router.get("/{project_id}/given")
async def given_page(request: Request, project_id: str, asker: Auditor) -> Response:
    """Build by build, the newest first."""
    project = await project_for(request, asker, project_id)
    found = await part_of(request, asker, wanted_of(request), project)
    try:
        given = await given_to(service_of(request).exposures, found.builds)
    except KeeperAway as error:
        raise HTTPException(503, "The keeper has this list, and does not answer. Try again soon.") from error
    shown = [_of(build, given) for build in found.builds]
    return render(
        request,
        "project_given.html",
        project=project,
        list=found,
        builds=[one for one in shown if one.given],
        now=time.time(),
    )


def _of(build: BuildView, given: Sequence[Given]) -> GivenBuild:
    own = [one for one in given if one.build.id == build.id]
    return GivenBuild(build, own[:MOST_OF_A_BUILD], max(0, len(own) - MOST_OF_A_BUILD))
