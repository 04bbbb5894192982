"""Lists of builds: what is asked for stands in the address, and a list goes on where a part of it ended."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import HTTPException, Request

from sealock.core.build import Outcome
from sealock.core.build_state import BuildState
from sealock.core.builds import BuildFilter, BuildView
from sealock.core.errors import UsageError
from sealock.core.project import Project
from sealock.web.asking import service_of
from sealock.web.pages.frame import Viewer

STATUSES = (
    *(state.value for state in BuildState if state is not BuildState.ENDED),
    *(o.value for o in Outcome),
)
"""What a list can be narrowed to: what waits, what runs, or how it came out. Not `stopping`: that is a build
that runs, for some seconds, whose worker has been asked to stop it. It stands among those that run."""
PER_PAGE = 30
LONGEST_BRANCH = 8192
"""Characters."""
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Wanted:
    """What a list's address asks for; `` for all. before: the id of the last build of the part before."""

    project: str = ""
    branch: str = ""
    status: str = ""
    mine: str = ""
    before: str = ""

    def __bool__(self) -> bool:
        return any((self.project, self.branch, self.status, self.mine))

    def query(self, **changed: str) -> str:
        """As the query of an address, with its `?`; `` if nothing is asked for."""
        pairs = {name: value for name, value in (vars(self) | changed).items() if value}
        return f"?{urlencode(pairs, errors='replace')}" if pairs else ""


@dataclass(frozen=True)
class BuildList:
    """A part of a list. next: the address's query of what follows, `` at the end."""

    builds: Sequence[BuildView]
    wanted: Wanted
    next: str = ""


def wanted_of(request: Request) -> Wanted:
    """What is asked for. 422 for what cannot be, such as a status we do not know: a list of all builds would
    not be what was asked for. Other parameters are passed over."""
    told = {name: request.query_params.get(name, "") for name in ("project", "branch", "status", "before")}
    if any(told[name] and not _ID.fullmatch(told[name]) for name in ("project", "before")):
        raise HTTPException(422, "There is no such part of the list.")
    if len(told["branch"]) > LONGEST_BRANCH or "\0" in told["branch"]:
        raise HTTPException(422, "This cannot be a branch.")
    if told["status"] and told["status"] not in STATUSES:
        raise HTTPException(422, "There is no such status.")
    mine = "yes" if request.query_params.get("mine") else ""
    return Wanted(told["project"], told["branch"].strip(), told["status"], mine, told["before"])


async def part_of(
    request: Request, asker: Viewer, wanted: Wanted, project: Project | None = None
) -> BuildList:
    """The builds that are wanted, newest first. project: of this one alone. 422 for a part that is none."""
    state, outcome = _status(wanted.status)
    which = BuildFilter(
        project=project.id if project else wanted.project or None,
        branch=wanted.branch or None,
        state=state,
        outcome=outcome,
        mine=asker.person.id if wanted.mine else None,
        before=wanted.before or None,
        limit=PER_PAGE + 1,
    )
    try:
        found = await service_of(request).builds.page(asker.account, which)
    except UsageError as error:
        raise HTTPException(422, "This part of the list is gone. Begin at its start.") from error
    shown = found[:PER_PAGE]
    more = len(found) > PER_PAGE
    return BuildList(shown, wanted, wanted.query(before=shown[-1].id) if more else "")


def digest_of(*lists: Sequence[BuildView]) -> str:
    """Of all that lists show of builds and that can change."""
    told = [(one.id, one.status, one.attempt, one.commit, one.message) for builds in lists for one in builds]
    return hashlib.sha256(repr(told).encode(errors="surrogatepass")).hexdigest()[:32]


def _status(word: str) -> tuple[BuildState | None, Outcome | None]:
    if not word:
        return None, None
    if word in {state.value for state in BuildState}:
        return BuildState(word), None
    return None, Outcome(word)
