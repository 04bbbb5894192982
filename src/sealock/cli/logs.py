"""`sealock logs`: what a project's build printed, for the owner of the installation, and its removal.

A log lies sealed; the keeper opens its key for each reading, and writes that down first. Removing takes no
keeper: nothing is opened.
"""

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
from sealock.core.event import Output
from sealock.core.event_text import from_text
from sealock.core.log import LogReader, Mark
from sealock.core.sealed import Owner

LINES = 1000
BUILD = re.compile(r"[0-9a-f]{32}")


class _ReadsByDefault(click.Group):
    """`sealock logs BUILD` is `sealock logs show BUILD`: no build's id is the name of a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, with `show` put in where no command is named."""
        if args and args[0] not in {*self.commands, *self.get_help_option_names(ctx)}:
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_ReadsByDefault)
def logs() -> None:
    """What a project's build printed, out of its sealed log: `sealock logs BUILD`."""


@logs.command()
@click.argument("build")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each event.")
@click.pass_obj
def show(tools: Tools, build: str, as_json: bool) -> None:
    """Print what the build of id BUILD printed, with its secrets masked as they were.

    Only builds of projects have a log, and it lies sealed. The keeper opens it for whoever can read the key
    of this installation's owner, and writes into its ledger that it did.
    """
    _must_be_an_id(build)
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    with asyncio.run(_open(tools, build)) as log:
        display: Display = JsonDisplay(sys.stdout) if as_json else PlainDisplay(sys.stdout, colour=colour)
        replay(log, display)
        complete = log.complete
    display.close()
    if not complete:
        click.echo("The log ends here without an end: the build still runs, or was cut off.", err=True)


@logs.command()
@click.argument("build")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(tools: Tools, build: str, yes: bool) -> None:
    """Remove the log of the build of id BUILD, and its key, for good. Who did it and when stays."""
    _must_be_an_id(build)
    if not yes:
        click.confirm(f"Remove the log of build {build} for good?", abort=True)
    asyncio.run(_remove(tools, build))
    click.echo(f"The log of build {build} and its key are gone; `sealock logs {build}` says so.")


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


def _must_be_an_id(build: str) -> None:
    if not BUILD.fullmatch(build):
        raise verbs.no_log(build)


async def _open(tools: Tools, build: str) -> LogReader:
    async with tools.logs() as found:
        owner = verbs.log_to_read(build, tools.projects(), tools.sealed_values(), found)
        return await found.read(owner, build)


async def _remove(tools: Tools, build: str) -> None:
    async with tools.logs() as found:
        verbs.remove_log(build, _who(), projects=tools.projects(), values=tools.sealed_values(), logs=found)


def _who() -> str:
    """Who asks, as this host knows them."""
    user = os.getuid()
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
