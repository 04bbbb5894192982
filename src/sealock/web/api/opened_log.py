"""Opens the log of a build's attempt for who asks, and closes it once the answer is out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from sealock.core.access import Permission
from sealock.core.builds import BuildView, run_id
from sealock.core.errors import UsageError
from sealock.core.lease import Refused
from sealock.core.log_pages import OpenLog
from sealock.web.api.errors import missing
from sealock.web.api.found import BuildPath, build_of
from sealock.web.api.receipts import Attempt
from sealock.web.asking import Asker, Asks, service_of
from sealock.web.problems import sentence
from sealock.web.running import running_of

READS_LOGS = Asks(Permission.LOGS_READ)
Reader = Annotated[Asker, Depends(READS_LOGS)]


@dataclass(frozen=True)
class Opened:
    """A log, open, with its build."""

    log: OpenLog
    build: BuildView


def attempt_of(build: BuildView, attempt: int | None) -> int:
    """The attempt that is meant; 404 if there was none such."""
    number = build.attempt if attempt is None else attempt
    if not 1 <= number <= build.attempt:
        raise missing("log")
    return number


def run_of(build: BuildView, attempt: int | None) -> str:
    """The id of an attempt; 404 if there was none such."""
    return run_id(build.id, attempt_of(build, attempt))


async def opened_log(
    request: Request, build: BuildPath, asker: Reader, attempt: Attempt = None
) -> AsyncIterator[Opened]:
    """404 without a log; 403 where the keeper refuses, which it does without a reason."""
    service = service_of(request)
    view = await build_of(service, asker, build)
    async with AsyncExitStack() as stack:
        opening = service.logs.open(
            view.account,
            view.project,
            run_of(view, attempt),
            person=asker.person.id,
            running=running_of(service.builds, view, attempt_of(view, attempt)),
        )
        try:
            log = await stack.enter_async_context(opening)
        except UsageError as error:
            raise HTTPException(404, sentence(error)) from error
        except Refused as error:
            raise HTTPException(403, f"{error.brief}, {error.details}.") from error
        yield Opened(log, view)


OpenedLog = Annotated[Opened, Depends(opened_log)]
