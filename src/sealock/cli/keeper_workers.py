"""`sealock keeper workers`: whom the keeper makes leases for. It is for operators of the keeper, as on its
own host: the website has no say in it."""

from __future__ import annotations

import asyncio
import json

import click

from sealock.cli.tools import Tools
from sealock.cli.words import moment, table
from sealock.core.errors import UsageError
from sealock.core.keeper import KnownWorker

KEY_LENGTH = 32
NAME = click.argument("name")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")


@click.group(invoke_without_command=True)
@AS_JSON
@click.pass_context
def workers(context: click.Context, *, as_json: bool) -> None:
    """List the workers that the keeper makes leases for, or admit and remove one.

    A build gets a secret only on a worker of this list: what it asks for is signed with that worker's key.
    """
    if context.invoked_subcommand is None:
        tools: Tools = context.obj
        _list(tools, as_json=as_json)


def _list(tools: Tools, *, as_json: bool) -> None:
    found = asyncio.run(tools.keeper_control().workers())
    if as_json:
        click.echo(json.dumps({"items": [_told(one) for one in found], "next": None}, indent=2))
        return
    if not found:
        click.echo("The keeper knows no worker. `sealock keeper workers admit NAME KEY` admits one.")
        return
    rows = [[one.name, one.key.hex(), moment(_told(one), "since"), one.by] for one in found]
    for line in table([["name", "key", "since", "admitted by"], *rows]):
        click.echo(line)


@workers.command()
@NAME
@click.argument("key")
@AS_JSON
@click.pass_obj
def admit(tools: Tools, name: str, key: str, *, as_json: bool) -> None:
    """Have the keeper make leases for what KEY signs, in the name of the worker NAME.

    `sealock worker` prints both when it starts and is not known; compare KEY with what it prints on its own
    host. A worker of that name that is known with another key is not any more.
    """
    wanted = _key(key)
    before = asyncio.run(tools.keeper_control().admit_worker(name, wanted))
    if as_json:
        told = {"name": name, "key": wanted.hex(), "before": before.hex() if before else None}
        click.echo(json.dumps(told, indent=2))
        return
    instead = f", in the place of the one with the key {before.hex()}" if before else ""
    click.echo(f"The keeper knows {name} now{instead}.")


@workers.command()
@NAME
@AS_JSON
@click.pass_obj
def remove(tools: Tools, name: str, *, as_json: bool) -> None:
    """Have the keeper make no lease for the worker NAME any more; those it has are void at once."""
    control = tools.keeper_control()

    async def ask() -> bool:
        known = any(one.name == name for one in await control.workers())
        await control.remove_worker(name)
        return known

    if not asyncio.run(ask()):
        raise UsageError(
            f"the keeper knows no worker {name[:70]}", resolution="`sealock keeper workers` lists them."
        )
    click.echo(
        json.dumps({"name": name}, indent=2) if as_json else f"The keeper does not know {name} any more."
    )


def _key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_LENGTH:
        raise UsageError(
            "that is no worker's key", resolution="It is 64 hexadecimal digits, as the worker prints it."
        )
    return key


def _told(worker: KnownWorker) -> dict[str, object]:
    return {"name": worker.name, "key": worker.key.hex(), "since": worker.since, "by": worker.by}
