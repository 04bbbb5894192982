"""`sealock worker`: runs builds of a website on this host."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from sealock.cli.sanitize import printable
from sealock.cli.saying import say
from sealock.cli.tools import Tools
from sealock.core.errors import UsageError
from sealock.core.own_process import leave_no_dump
from sealock.core.secret import Secret
from sealock.core.worker_process import WorkerOptions
from sealock.core.workers import MOST_MACHINES

LONGEST_TOKEN = 4096


@click.command()
@click.option(
    "--server", required=True, metavar="URL", help="The website's port for workers: https://HOST:PORT."
)
@click.option(
    "--join",
    "join_file",
    metavar="FILE",
    help="A file with the token to join with, once; - for standard input.",
)
@click.option(
    "--state",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="A directory for this worker's key and certificate, made when it joins.",
)
@click.option(
    "--machines",
    type=click.IntRange(1, MOST_MACHINES),
    help="Builds at once. Default: as many as there are cores and 1.2 GiB of free memory for.",
)
@click.option("--labels", default="", metavar="A,B", help="Builds of projects that need these come here.")
@click.option("--attended", is_flag=True, help="Stop when standard input ends, for whoever starts it.")
@click.pass_obj
def worker(
    tools: Tools,
    *,
    server: str,
    join_file: str | None,
    state: Path,
    machines: int | None,
    labels: str,
    attended: bool,
) -> None:
    """Take builds from a website and run each in a new machine on this host.

    It joins once, with a token of `sealock workers add`, and is known by a certificate from then on. It
    speaks to the website alone, over HTTPS; secrets reach it sealed to a key of the very build. Ctrl-C or
    SIGTERM: it takes nothing new and ends once its builds have; the second time it gives them back.
    """
    leave_no_dump()
    named = tuple(label.strip() for label in labels.split(",") if label.strip())
    process = tools.worker(WorkerOptions(server, state.absolute(), machines, named))
    if join_file is not None:
        asyncio.run(process.join(_read(join_file)))
    asyncio.run(process.work(_say, attended=attended))


def _read(file: str) -> Secret:
    try:
        if file == "-":
            return Secret(sys.stdin.buffer.read(LONGEST_TOKEN))
        with Path(file).open("rb") as opened:
            return Secret(opened.read(LONGEST_TOKEN))
    except OSError as error:
        raise UsageError(
            "the join token cannot be read",
            details=str(error),
            resolution="Give a file, or - for standard input.",
        ) from error


def _say(line: str) -> None:
    say(printable(line))
