"""`sealock logs`: what a project's build printed, for the owner of the installation.

A log lies sealed; the keeper opens its key for each reading, and writes that down first.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys

import click

from sealock.cli.display import Display, JsonDisplay, PlainDisplay
from sealock.cli.tools import Tools
from sealock.core.errors import UsageError
from sealock.core.event import Output
from sealock.core.event_text import from_text
from sealock.core.log import LogReader, Mark
from sealock.core.project import owner_of
from sealock.core.sealed import Kind, Owner

LINES = 1000
BUILD = re.compile(r"[0-9a-f]{32}")


@click.command()
@click.argument("build")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each event.")
@click.pass_obj
def logs(tools: Tools, build: str, as_json: bool) -> None:
    """Print what the build of id BUILD printed, with its secrets masked as they were.

    Only builds of projects have a log, and it lies sealed. The keeper opens it for whoever can read the key
    of this installation's owner, and writes into its ledger that it did.
    """
    owner = _owner(tools, build)
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    display: Display = JsonDisplay(sys.stdout) if as_json else PlainDisplay(sys.stdout, colour=colour)
    with asyncio.run(_open(tools, owner, build)) as log:
        replay(log, display)
        complete = log.complete
    display.close()
    if not complete:
        click.echo("The log ends here without an end: the build still runs, or was cut off.", err=True)


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


def _owner(tools: Tools, build: str) -> Owner:
    """The project whose build it was."""
    if BUILD.fullmatch(build):
        values = tools.sealed_values()
        for project in tools.projects().all():
            if values.get(owner_of(project.id), Kind.LOG_KEY, build) is not None:
                return owner_of(project.id)
    raise UsageError(
        f"there is no log of a build {build[:40]!r}",
        resolution="A build's id has 32 hexadecimal digits and stands in its receipt. Only builds of "
        "projects have logs.",
    )


async def _open(tools: Tools, owner: Owner, build: str) -> LogReader:
    async with tools.logs() as found:
        return await found.read(owner, build)
