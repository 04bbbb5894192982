"""`sealock up`: the whole server on this host: website, keeper and a worker, until it is stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from sealock.cli.child_environment import environment_of
from sealock.cli.children import Child, Children
from sealock.cli.sanitize import printable
from sealock.cli.saying import say
from sealock.cli.tools import Tools
from sealock.core.errors import UsageError
from sealock.core.lease import KeeperAway
from sealock.core.own_process import leave_no_dump
from sealock.core.secret import Secret
from sealock.core.server import Ready
from sealock.core.workers import MOST_MACHINES

SEALOCK = (sys.executable, "-P", "-m", "sealock")
DRAIN = 24 * 3600.0
"""Seconds a worker may take to finish the builds it has; the second Ctrl-C ends that."""


@click.command()
@click.option("--no-worker", is_flag=True, help="Website and keeper alone; workers run on other hosts.")
@click.option(
    "--machines", type=click.IntRange(1, MOST_MACHINES), help="Builds at once. Default: what fits this host."
)
@click.pass_obj
def up(tools: Tools, *, no_worker: bool, machines: int | None) -> None:
    """Start the whole server on this host, and keep it running: website, keeper and a worker.

    The first start makes all there is to make: the database, the certificate authority, the keys and, in
    about two minutes, the image that builds run in; then it prints a link, good for once and for a day, that
    makes the first owner. A part that dies is started again, and builds outlive a restart of the website.
    Ctrl-C or SIGTERM takes no more builds, lets those that run finish, and ends; a second one gives them
    back, to be tried again after the next start.
    """
    leave_no_dump()
    if not no_worker:
        _need_image(tools)
    ready = asyncio.run(tools.server().make_ready(local_worker=not no_worker))
    asyncio.run(_run(tools, ready, None if no_worker else machines or 0))


async def _run(tools: Tools, ready: Ready, machines: int | None) -> None:
    """machines: None for no worker, 0 for as many as fit."""
    stop = _Stop()
    children = Children(_say)
    try:
        with stop.by_signals():
            if tools.keeper_is_here():
                await children.start(_child("keeper", [*SEALOCK, "keeper", "--attended"], "serving on "))
            await children.start(_child("website", [*SEALOCK, "web", "--attended"], "serving on "))
            if machines is not None:
                stop.worker = await _start_worker(tools, children, ready, machines)
            _tell(ready)
            await stop.asked.wait()
    finally:
        await children.stop()
    say("Stopped.")


def _child(name: str, command: list[str], up: str | tuple[str, ...], patience: float = 20.0) -> Child:
    return Child(name, command, up, patience, environment_of(name, os.environ))


async def _start_worker(tools: Tools, children: Children, ready: Ready, machines: int) -> Child:
    command = [*SEALOCK, "worker", "--attended", "--server", ready.workers]
    command += ["--state", str(tools.worker_directory())]
    command += ["--machines", str(machines)] if machines else []
    with suppress(KeeperAway):  # where it is away, or we may not, the worker says so, and waits
        await tools.admit_local_worker()
    with _join_file(ready.join) as file:
        first = [*command, "--join", str(file)] if file else command
        worker = _child("worker", first, ("ready", "waiting"), patience=DRAIN)
        await children.start(worker)
    worker.command = command
    return worker


@contextmanager
def _join_file(token: Secret | None) -> Iterator[Path | None]:
    """The token that works once, in a file of ours alone for as long as it takes."""
    if token is None:
        yield None
        return
    with tempfile.NamedTemporaryFile(prefix="sealock-join-") as file:
        file.write(token.reveal())
        file.flush()
        yield Path(file.name)


class _Stop:
    """The first signal: stop in good order. Any later one: have the worker give back what it builds."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.worker: Child | None = None

    @contextmanager
    def by_signals(self) -> Iterator[None]:
        loop, numbers = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self._take)
        yield

    def _take(self) -> None:
        if not self.asked.is_set():
            self.asked.set()
            say("Stopping: builds that run may finish; once more to give them back to the queue.")
        elif self.worker is not None:
            self.worker.tell(signal.SIGTERM)


def _need_image(tools: Tools) -> None:
    """Build the image that builds run in by default, if it is not there: about two minutes, once."""
    try:
        tools.images().find(tools.default_image())
    except UsageError:
        from sealock.cli.progress import watching  # noqa: PLC0415 - only the first time

        with watching(f"image {tools.default_image()}") as progress:
            tools.images().build(tools.default_image(), progress)


def _tell(ready: Ready) -> None:
    click.secho(f"\nSealock runs at {ready.address}", bold=True)
    if ready.setup is not None:
        click.echo("Nobody has an account yet. This link makes the first owner, once:")
        click.echo(f"  {ready.setup.reveal().decode()}")
    click.echo("Browsers warn until they trust the certificate: `sealock authority --help` says how.")
    click.echo("Ctrl-C stops it.\n")


def _say(name: str, line: str) -> None:
    if line:
        say(f"{name}: {printable(line)}")
