"""Prints an error for its reader. Details may quote a guest or a server, so they are made safe first."""

from __future__ import annotations

import os
import traceback

import click

from sealock.cli.sanitize import printable
from sealock.core.errors import SealockError


def tell(error: SealockError) -> None:
    """Print an error for its reader: what happened, what was seen, what to do."""
    click.secho(f"Error: {printable(error.brief)}", fg="red", bold=True, err=True)
    for line in error.details.splitlines():
        click.echo(f"  {printable(line)}", err=True)
    if error.resolution:
        click.echo(f"What to do: {printable(error.resolution)}", err=True)
    if os.environ.get("SEALOCK_TRACEBACK"):
        traceback.print_exception(error)
