"""Watches a build of a server until it has ended: where it stands, and its log as it comes.

Two questions run beside each other: how the build stands, asked again and again, and its log, which the
server tells as it grows. A build whose worker was lost begins anew, with a log of its own.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import click

from sealock.cli.api import Api, connected
from sealock.cli.api_errors import NotFound
from sealock.cli.following import follow_log
from sealock.cli.sign_ins import SignIn
from sealock.cli.watch_display import Telling, telling
from sealock.cli.words import exit_code
from sealock.core.build_state import BuildState
from sealock.core.errors import SealockError, TemporaryError

INTERRUPTED = 130
EVERY = 1.0
"""Seconds between two looks at a build; its end is told at once."""
TRIES = 60
"""Looks in a row that may fail, while a website is restarted."""
REST = 15.0
"""Seconds that the rest of a log has to come once its build has ended."""


def watch_build(sign_in: SignIn, build: str, *, quiet: bool = False, as_json: bool = False) -> int:
    """Show the build of that id until it has ended; the exit code is as of `sealock run`, or 130 if Ctrl-C
    stopped the watching, which leaves the build alone."""
    told = telling(sign_in, quiet=quiet, as_json=as_json)
    try:
        found = asyncio.run(_watched(sign_in, build, told))
    except KeyboardInterrupt:
        click.echo(
            f"Stopped watching. The build goes on: `sealock watch {build}` watches it again,", err=True
        )
        click.echo(f"`sealock cancel {build}` cancels it.", err=True)
        return INTERRUPTED
    code = exit_code(found)
    told.ended(found, code)
    return code


async def _watched(sign_in: SignIn, build: str, told: Telling) -> dict[str, Any]:
    async with connected(sign_in) as api:
        watch = _Watch(api, build, told)
        try:
            return await watch.until_ended()
        finally:
            await watch.stop()


class _Watch:
    """One build, watched. told: who is told."""

    def __init__(self, api: Api, build: str, told: Telling) -> None:
        self._api, self._build, self._told = api, build, told
        self._attempt = 0
        self._over = False
        self._log: asyncio.Task[None] | None = None

    async def until_ended(self) -> dict[str, Any]:
        while True:
            found = await self._look()
            self._told.build(found)
            if found["attempt"] > self._attempt:
                await self.stop()
                self._attempt = found["attempt"]
                self._log = asyncio.create_task(self._follow(self._attempt))
            if found["state"] == BuildState.ENDED:
                self._over = True
                await self._rest()
                return found

    async def stop(self) -> None:
        """Read the log no further."""
        if self._log is not None:
            self._log.cancel()
            await asyncio.wait([self._log])
            self._log = None

    async def _look(self) -> dict[str, Any]:
        """How it stands by now: at once the first time, then when it has ended, or a moment later."""
        wait = EVERY if self._told.looked else None
        for _ in range(TRIES):
            try:
                found: dict[str, Any] = await self._api.get("builds", self._build, query={"wait": wait})
            except TemporaryError as error:
                lost = error
                await asyncio.sleep(EVERY)
            else:
                return found
        raise lost

    async def _rest(self) -> None:
        if self._log is not None:
            await asyncio.wait([self._log], timeout=REST)

    async def _follow(self, attempt: int) -> None:
        """Tell the log's lines. It may not be there yet, or not be for us: the build is watched alone."""
        while True:
            try:
                async with aclosing(follow_log(self._api, self._build, attempt)) as lines:
                    async for line in lines:
                        self._told.line(line)
            except NotFound:
                if self._over:
                    return
                await asyncio.sleep(EVERY)
            except SealockError as error:
                self._told.note(f"The log cannot be read: {error.brief}")
                return
            else:
                return


async def newest_build(api: Api) -> dict[str, Any] | None:
    """The newest build that has not ended, else the newest of all; None where there is none."""
    page = await api.get("builds", query={"limit": 30})
    going = [build for build in page["items"] if build["state"] != BuildState.ENDED]
    found: list[dict[str, Any]] = going or page["items"]
    return found[0] if found else None


async def build_of_commit(api: Api, project: str, commit: str, patience: float) -> dict[str, Any] | None:
    """The newest build of a project's commit, once there is one. patience: seconds to wait for it."""
    until = asyncio.get_running_loop().time() + patience
    while True:
        page = await api.get("builds", query={"project": project, "commit": commit, "limit": 1})
        if page["items"] or asyncio.get_running_loop().time() >= until:
            return page["items"][0] if page["items"] else None
        await asyncio.sleep(EVERY)
