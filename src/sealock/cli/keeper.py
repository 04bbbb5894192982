"""`sealock keeper`: runs the keeper, asks one how it is, makes this host known to one elsewhere, tells it
which workers there are (`keeper_workers`), makes everything it allowed void."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict

import click

from sealock.cli.keeper_workers import workers
from sealock.cli.saying import say
from sealock.cli.tools import Tools


@click.group(invoke_without_command=True)
@click.option("--attended", is_flag=True, help="Stop when standard input ends, for whoever starts it.")
@click.pass_context
def keeper(context: click.Context, attended: bool) -> None:
    """Run the keeper: the one process that opens what is sealed, each time for a reason it checks.

    It serves until it is stopped (Ctrl-C, SIGTERM) and logs to standard error what it refused and why;
    never a value. Its first lines say how far this host let it be shut in.
    """
    if context.invoked_subcommand is None:
        tools: Tools = context.obj
        tools.keeper().run(_say, attended=attended)


@keeper.command()
@click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")
@click.pass_obj
def status(tools: Tools, as_json: bool) -> None:
    """Ask the keeper how it is: its epoch, its ledger, how its process is shut in."""
    found = asyncio.run(tools.keeper_control().status())
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
        return
    click.echo(f"version {found.version}, epoch {found.epoch}, {found.entries} entries in the ledger")
    for line in found.achieved:
        click.echo(f"  {line}")


@keeper.command()
@click.argument("name")
@click.pass_obj
def introduce(tools: Tools, name: str) -> None:
    """Print what a keeper on another host must have in its authorities.json to know this host as NAME.

    That is the fingerprint of the certificate in keeper_client_tls_dir, with roles for every command here,
    and the public key this installation's owner signs in with. Nothing of it is secret.
    """
    click.echo(tools.keeper_introduction(name))
    click.echo("For a website's host leave out `operator`: who that has may admit workers.", err=True)


@keeper.command("end-all")
@click.confirmation_option(
    prompt="Builds that run now will get no more secrets, and members sign in anew. Go on?",
    help="Do not ask.",
)
@click.pass_obj
def end_all(tools: Tools) -> None:
    """Make every lease, session and grant so far void.

    For after a break-in, or when a database was restored from a backup: nothing that was true once comes
    to life again.
    """
    asyncio.run(tools.keeper_control().end_all())
    click.echo("A new epoch has begun.")


keeper.add_command(workers)


def _say(line: str) -> None:
    say(line, err=True)
