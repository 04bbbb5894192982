"""The logs of this host's own builds: they lie sealed, and the keeper opens one for each reading."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import sys

import click

from sealock.builds import logs as verbs
from sealock.cli.display import Display, JsonDisplay, PlainDisplay
from sealock.cli.tools import Tools
from sealock.core.builds import run_id
from sealock.core.errors import UsageError
from sealock.core.event import Output
from sealock.core.event_text import from_text
from sealock.core.log import LogReader, Mark
from sealock.core.sealed import Owner

LINES = 1000
BUILD = re.compile(r"[0-9a-f]{32}")


class LocalLogs:
    """`places.LogPlace`."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def show(self, build: str, *, attempt: int | None, as_json: bool, follow: bool, failed: bool) -> None:
        """Print it as it was shown while it was made."""
        if follow or failed:
            raise UsageError(
                "--follow and --failed are for builds of a server",
                resolution="Sign in to one (sealock login URL), or leave them out.",
            )
        _must_be_an_id(build)
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        with asyncio.run(self._open(_run(build, attempt))) as log:
            plain = PlainDisplay(sys.stdout, colour=colour)
            display: Display = JsonDisplay(sys.stdout) if as_json else plain
            replay(log, display)
            complete = log.complete
        display.close()
        if not complete:
            click.echo("The log ends here without an end: the build still runs, or was cut off.", err=True)

    def remove(self, build: str, attempt: int | None) -> None:
        """Remove it with its key. No keeper is needed: nothing is opened."""
        _must_be_an_id(build)
        asyncio.run(self._remove(_run(build, attempt)))
        click.echo(f"The log of build {build} and its key are gone; `sealock logs {build}` says so.")

    async def _open(self, build: str) -> LogReader:
        tools = self._tools
        async with tools.logs() as found:
            owner = verbs.log_to_read(build, tools.projects(), tools.sealed_values(), found)
            return await found.read(owner, build)

    async def _remove(self, build: str) -> None:
        tools = self._tools
        async with tools.logs() as found:
            values = tools.sealed_values()
            verbs.remove_log(build, _who(), projects=tools.projects(), values=values, logs=found)


def remove_logs_of(tools: Tools, owner: Owner) -> None:
    """Remove every log of a project's builds, with its key."""

    async def remove_all() -> None:
        async with tools.logs() as found:
            verbs.remove_logs_of(owner, _who(), values=tools.sealed_values(), logs=found)

    asyncio.run(remove_all())


def replay(log: LogReader, display: Display) -> None:
    """Show a log as it was shown while it was made."""
    marks = log.marks()
    first = 1
    while lines := log.read(first, LINES):
        for line in lines:
            while marks and marks[0].line <= line.number:
                _show(marks.pop(0), display)
            display.emit(Output(line.data + b"\n"))
        first = lines[-1].number + 1
    for mark in marks:
        _show(mark, display)


def _show(mark: Mark, display: Display) -> None:
    display.emit(from_text(mark.text))


def _run(build: str, attempt: int | None) -> str:
    """The id its log is kept under. A build of `sealock run` has one attempt, one of a server of this host
    may have more."""
    return build if attempt is None else run_id(build, attempt)


def _must_be_an_id(build: str) -> None:
    if not BUILD.fullmatch(build):
        error = verbs.no_log(build)
        error.resolution += " For a server's build, sign in (sealock login https://HOST), without --local."
        raise error


def _who() -> str:
    """Who asks, as this host knows them."""
    user = os.getuid()
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
