"""`sealock secrets`: which secrets a build was given, so that after an accident one knows what to replace."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime

import click

from sealock.cli.tools import Tools
from sealock.core.release import Entry, Released


@click.group()
def secrets() -> None:
    """Secrets of projects."""


@secrets.command()
@click.argument("build")
@click.option("--json", "as_json", is_flag=True, help="A JSON list of the ledger's entries.")
@click.pass_obj
def exposures(tools: Tools, build: str, as_json: bool) -> None:
    """List what the build of id BUILD was given: which secret, which version, which step, when.

    The list is out of the keeper's ledger, where each line was written before the secret was handed out.
    """
    found = asyncio.run(tools.exposures().exposures(build))
    if as_json:
        click.echo(json.dumps([asdict(entry) for entry in found], indent=2))
    elif not found:
        click.echo("That build was given nothing.")
    for entry in found if not as_json else ():
        click.echo(_row(entry))


def _row(entry: Entry) -> str:
    assert isinstance(entry.fact, Released)
    at = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    what = f"{entry.fact.kind} {entry.fact.name} version {entry.fact.version}"
    place = f"step {entry.fact.step}" if entry.fact.step else "the fetch"
    return f"{at}  {what}  to {place} of attempt {entry.fact.attempt}"
