"""Shows that long work goes on: one live line in a terminal, plain lines with their time elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from sealock.cli.sanitize import printable
from sealock.core.image import Progress


@contextmanager
def watching(what: str) -> Iterator[Progress]:
    """Yields what takes the lines. They go to standard error: the result alone goes to the output."""
    if sys.stderr.isatty():
        with _live(what) as progress:
            yield progress
    else:
        started = time.monotonic()
        yield lambda line: click.echo(
            f"{time.monotonic() - started:6.1f} s  {what}: {printable(line)}", err=True
        )


@contextmanager
def _live(what: str) -> Iterator[Progress]:
    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda line: bar.update(task, description=f"{what}: {printable(line)}")
