"""`sealock machines`: what runs on this host, and what a crash left there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from itertools import groupby

import click

from sealock.cli.tools import Tools
from sealock.core.machine import Remains


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.pass_context
def machines(context: click.Context, as_json: bool) -> None:
    """The machines of this host, with everything of them that stands on it.

    A machine is orphaned when the process that made it is gone: nobody will end it any more but
    `sealock machines reap`, which also runs by itself at the start of every `sealock run`.
    """
    if context.invoked_subcommand is None:
        tools: Tools = context.obj
        _tell(tools.reaper().find(), as_json, nothing="No machine is on this host.")


@machines.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of what was removed.")
@click.pass_obj
def reap(tools: Tools, as_json: bool) -> None:
    """End and remove what crashed processes left. Machines of living processes are not touched."""
    gone = tools.reaper().reap()
    _tell(gone, as_json, nothing="Nothing was left behind.")
    if gone and not as_json:
        count = len({each.machine for each in gone})
        click.echo(f"Ended and removed: {count} machine{'' if count == 1 else 's'}.")


def _tell(found: Iterable[Remains], as_json: bool, *, nothing: str) -> None:
    rows = sorted(found, key=lambda each: (each.machine, each.kind, each.name))
    if as_json:
        click.echo(json.dumps([asdict(each) for each in rows], indent=2))
        return
    if not rows:
        click.echo(nothing)
    for machine, parts in groupby(rows, key=lambda each: each.machine):
        things = list(parts)
        state = "orphaned" if things[0].orphaned else f"of process {things[0].owner}"
        click.echo(f"{machine}  {state}")
        for each in things:
            click.echo(f"  {each.kind:<10} {each.name}")
