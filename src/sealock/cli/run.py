"""`sealock run`: build a directory or a repository in a new machine and show how it goes.

Ctrl-C, and the signals that end a process politely, cancel the build: its machine is ended, the receipt
signed, and only then does the command end.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import IO, cast

import click

from sealock.builds.pinned import versions_given
from sealock.builds.request import RunRequest
from sealock.builds.run import RunResult
from sealock.cli.display import Display, JsonDisplay, PlainDisplay
from sealock.cli.errors import tell
from sealock.cli.summary import summary
from sealock.cli.tools import Tools
from sealock.cli.writer import Writer
from sealock.core.errors import ExitCode, UsageError
from sealock.core.event import Emit, Notice
from sealock.core.source import DirectorySource, RemoteSource, Source

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command()
@click.argument("source", default=".", metavar="[DIRECTORY|URL]")
@click.option("--ref", help="Branch, tag or commit. Default: HEAD, or the server's default branch.")
@click.option("--image", help="Image to build in, instead of the one sealock.yml names.")
@click.option(
    "--pipeline",
    "pipelines",
    multiple=True,
    metavar="NAME",
    help="Pipeline to run; may be repeated. Default: all.",
)
@click.option("--working-tree", is_flag=True, help="Build what lies in the directory now, not its commit.")
@click.option(
    "--project", "named", metavar="NAME", help="The project whose secrets a directory's build may have."
)
@click.option(
    "--secrets-of",
    "earlier",
    metavar="BUILD",
    help="Give the steps the versions of secrets that this build was given, not the newest.",
)
@click.option(
    "--json", "style", flag_value="json", help="One JSON object a line for each event, the result last."
)
@click.option("--plain", "style", flag_value="plain", help="Plain lines. Default outside a terminal.")
@click.option("--live", "style", flag_value="live", help="Ticking times. Default in a terminal.")
@click.pass_obj
def run(
    tools: Tools,
    *,
    source: str,
    ref: str | None,
    image: str | None,
    pipelines: tuple[str, ...],
    working_tree: bool,
    named: str | None,
    earlier: str | None,
    style: str | None,
) -> int:
    """Build a directory or repository in a new machine, and end with the build's result.

    A directory's HEAD (or with --working-tree what lies there now) is taken into the machine. The
    repository behind a URL, which must belong to a project, is fetched inside of it with the project's
    own key. The steps are those of the sealock.yml in the commit.

    Exit codes: 0 green, 1 the build failed or was cancelled, 2 wrong usage, 3 a fault of Sealock or
    its host.
    """
    project = None if named is None else tools.projects().get(named)
    pinned = None if earlier is None else asyncio.run(versions_given(earlier, tools.exposures()))
    request = RunRequest(find_source(tools, source, ref, working_tree), pipelines, image, project, pinned)
    writer = Writer(open_output())
    display = choose_display(style, writer)
    try:
        result = asyncio.run(_build(tools, request, display, writer))
        _conclude(display, result, writer)
    except asyncio.CancelledError:
        click.echo("Cancelled before a machine had run.", err=True)
        return ExitCode.BUILD_FAILED
    finally:
        display.close()
        writer.close()
    if result.error is not None:
        tell(result.error)
    return result.exit_code


def find_source(tools: Tools, text: str, ref: str | None, working_tree: bool) -> Source:
    """What was typed: a directory of this host if there is one, else a repository's address."""
    path = Path(text)
    if "\0" not in text and path.is_dir():
        return DirectorySource(path, ref, working_tree)
    if ":" not in text:
        raise UsageError(
            f"There is no directory {text}",
            resolution="Give a directory with a Git repository, or an address such as git@host:path.",
        )
    if working_tree:
        raise UsageError(
            "--working-tree is for a directory of this host", resolution="Leave it out, or give a directory."
        )
    return RemoteSource(tools.git_address(text), ref)


def open_output() -> IO[str]:
    """Standard output. A build may print characters that this terminal's encoding does not have."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    return sys.stdout


def choose_display(style: str | None, writer: Writer) -> Display:
    """As asked for; else live in a terminal, plain lines anywhere else."""
    stream = cast("IO[str]", writer)
    if style == "json":
        return JsonDisplay(stream)
    terminal = writer.isatty() and os.environ.get("TERM") != "dumb"
    if style == "live" or (style is None and terminal and not os.environ.get("CI")):
        from rich.console import Console  # noqa: PLC0415 - slow to import, and only needed here

        from sealock.cli.live import LiveDisplay  # noqa: PLC0415

        return LiveDisplay(Console(file=stream, force_terminal=True if style == "live" else None))
    return PlainDisplay(stream, colour=terminal and "NO_COLOR" not in os.environ)


class Stop:
    """Cancels a task at the first signal. Later ones change nothing: ending a machine is not cut short."""

    def __init__(self, task: asyncio.Task[object] | None) -> None:
        self._task = task

    def __call__(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self.disarm()

    def disarm(self) -> None:
        """From now on even the first signal is too late."""
        self._task = None


async def _build(tools: Tools, request: RunRequest, display: Display, writer: Writer) -> RunResult:
    """Run the build. The signals that end a process cancel it, and so does the reader's going away."""
    loop, stop = asyncio.get_running_loop(), Stop(asyncio.current_task())
    writer.on_failure = lambda: loop.call_soon_threadsafe(stop)
    for number in SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        await _reap(tools, display.emit)
        async with tools.runner() as runner:
            result = await runner.run(request, display.emit, writer.drained)
            stop.disarm()
        return result
    finally:
        writer.on_failure = None
        for number in SIGNALS:
            loop.remove_signal_handler(number)


async def _reap(tools: Tools, emit: Emit) -> None:
    """End what crashed runs left, so that it does not pile up."""
    removed = await asyncio.to_thread(tools.reaper().reap)
    if removed:
        machines = len({remains.machine for remains in removed})
        emit(Notice(f"ended what {machines} machine(s) of an earlier, crashed run had left"))


def _conclude(display: Display, result: RunResult, writer: Writer) -> None:
    """The last words: the summary, or the last JSON line."""
    display.close()
    if isinstance(display, JsonDisplay):
        display.result(_as_json(result))
        return
    for line in summary(result, display.phases):
        writer.write(line + "\n")


def _as_json(result: RunResult) -> dict[str, object]:
    return {
        "outcome": result.record.outcome,
        "exit_code": int(result.exit_code),
        "receipt": str(result.receipt.path) if result.receipt else None,
        "error": str(result.error) if result.error else None,
        "record": asdict(result.record),
    }
