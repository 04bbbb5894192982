"""Which build a request is about, whether who asks may have it, and its log, opened for them.

A build of another account is not found, as one that never was. A log is opened by its attempt, so that what
a browser keeps of one attempt is never shown for another.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import HTTPException, Request

from sealock.core.access import Permission, Person, may
from sealock.core.builds import BuildView, run_id
from sealock.core.decision import Denied
from sealock.core.errors import SealockError, TemporaryError, UsageError
from sealock.core.lease import Refused
from sealock.core.log_pages import OpenLog
from sealock.web.asking import service_of
from sealock.web.closing import Still
from sealock.web.cookies import session_of
from sealock.web.ports import WebPorts
from sealock.web.problems import sentence
from sealock.web.running import running_of

_BUILD = re.compile(r"[0-9a-f]{32}")
_SOON = "Its log is shown here as soon as there is one."


@dataclass(frozen=True)
class NoLog(Exception):
    """There is no log to show. what: a sentence. do: what may be done about it. later: it may come."""

    what: str
    do: str = ""
    later: bool = False


async def build_for(request: Request, person: Person, build: str, permission: Permission) -> BuildView:
    """The build, for somebody who may do this with it. 404 if there is none of that id in their accounts, 403
    if their role in its account does not allow it."""
    if not _BUILD.fullmatch(build):
        raise HTTPException(404, "There is no such build.")
    records = service_of(request).builds
    for account in dict.fromkeys(one.account for one in person.memberships if one.account):
        found = await records.get(account, build)
        if found is None:
            continue
        allowed = may(person, account, permission)
        if isinstance(allowed, Denied):
            raise HTTPException(403, allowed.reason)
        return found
    raise HTTPException(404, "There is no such build.")


def still_may(request: Request, person: Person, build: BuildView, permission: Permission) -> Still:
    """Whether this session lives, is this person's, and they may still do this with the build."""
    ports: WebPorts = request.app.state.ports

    async def still() -> bool:
        found = await ports.sessions.read(session_of(request) or "")
        if found is None or found.person.id != person.id:
            return False
        try:
            await build_for(request, found.person, build.id, permission)
        except HTTPException:
            return False
        return True

    return still


def attempt_of(build: BuildView, attempt: int | None) -> int:
    """The attempt meant, the latest by default. NoLog before the first, 404 for one that never was."""
    if attempt is not None and not 0 <= attempt <= build.attempt:
        raise HTTPException(404, "There was no such attempt.")
    meant = build.attempt if attempt is None else attempt
    if meant == 0:
        over = build.ended_at is not None
        raise NoLog(
            "This build never began, so it printed nothing." if over else "This build has not begun yet.",
            "Restart it to have it run." if over else _SOON,
            later=not over,
        )
    return meant


@asynccontextmanager
async def opened(
    request: Request, build: BuildView, attempt: int | None, person: Person
) -> AsyncIterator[OpenLog]:
    """The log of an attempt at a build. NoLog if there is none to show, and why."""
    number = attempt_of(build, attempt)
    begun = False
    run = run_id(build.id, number)
    try:
        shelf = service_of(request).logs
        running = running_of(service_of(request).builds, build, number)
        async with shelf.open(build.account, build.project, run, person=person.id, running=running) as log:
            begun = True
            yield log
    except SealockError as error:
        if begun:
            raise
        raise _no_log(error, build, is_newest=number == build.attempt) from error


def _no_log(error: SealockError, build: BuildView, *, is_newest: bool) -> NoLog:
    later = build.ended_at is None
    if isinstance(error, UsageError):
        if later:
            return NoLog("Nothing was printed yet.", _SOON, later=True)
        if is_newest and not any(step.first_line for step in build.steps):
            return NoLog("This build ended before its first step, so it printed nothing.")
        return NoLog(sentence(error, advice=False), error.resolution)
    if isinstance(error, Refused):
        return NoLog(
            "The keeper did not open this log.",
            f"Its own log says why, under the reference {error.reference}.",
        )
    if isinstance(error, TemporaryError):
        return NoLog("The log cannot be read just now.", "Load the page again in a minute.", later=True)
    ask = "Somebody changed it, or the disk did. Ask who runs the server."
    return NoLog("This log is not what was kept.", ask)
