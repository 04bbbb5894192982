"""`sealock workers`: the hosts that builds run on, for whoever operates the installation."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import click

from sealock.cli.api import Api, asked
from sealock.cli.server import AS_JSON, page, signed_in, tell_json
from sealock.cli.words import Found, listed, moment, said, table
from sealock.core.worker_state import WorkerState
from sealock.core.workers import MOST_MACHINES

NAME, WORKER = click.argument("name"), click.argument("name", metavar="WORKER")


@click.group()
def workers() -> None:
    """Workers of the server: hosts that builds run on."""


@workers.command("list")
@AS_JSON
def list_(*, as_json: bool) -> None:
    """Every worker, what it has and when it was last heard of."""
    sign_in = signed_in()
    found = asked(sign_in, lambda api: api.all("workers"))
    if as_json:
        tell_json({"items": found, "next": None})
        return
    if not found:
        click.echo("There is no worker. `sealock workers add NAME` adds one.")
        return
    heading = ["name", "state", "builds", "labels", "last heard of", "version"]
    for line in table([heading, *(_row(one) for one in found)]):
        click.echo(line)
    for one in found:
        if _is_unknown(one):
            _tell_unknown(one)
    click.echo(page(sign_in, "workers"))


@workers.command()
@NAME
@click.option("--label", "labels", multiple=True, metavar="LABEL", help="May be repeated.")
@click.option(
    "--machines",
    type=click.IntRange(1, MOST_MACHINES),
    default=1,
    show_default=True,
    help="Builds at once.",
)
@AS_JSON
def add(name: str, *, labels: tuple[str, ...], machines: int, as_json: bool) -> None:
    """Add a worker NAME, and print the token it joins with: it works once, within an hour."""
    sign_in = signed_in()
    body = {"name": name, "labels": list(labels), "machines": machines}

    async def ask(api: Api) -> tuple[Any, Any]:
        await api.post("workers", body=body)
        return await _invited(api, name)

    _tell_invited(*asked(sign_in, ask), name, sign_in.url, as_json)


@workers.command()
@WORKER
@AS_JSON
def invite(name: str, *, as_json: bool) -> None:
    """Print a new token for WORKER to join with, in the place of any before."""
    sign_in = signed_in()
    _tell_invited(*asked(sign_in, lambda api: _invited(api, name)), name, sign_in.url, as_json)


@workers.command()
@WORKER
@AS_JSON
def drain(name: str, *, as_json: bool) -> None:
    """Have WORKER finish what it has and take nothing new, until it is started again."""
    sign_in = signed_in()
    told = asked(sign_in, lambda api: api.post("workers", name, "drain"))
    if as_json:
        tell_json(told)
        return
    left = said(told, "running")
    has = {"0": "no build", "1": "1 build"}.get(left, f"{left} builds")
    click.echo(f"The worker {said(told, 'name')} takes nothing new; it still has {has}.")


@workers.command()
@WORKER
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(name: str, *, yes: bool) -> None:
    """Remove WORKER: its certificate opens nothing any more, what it has is built elsewhere."""
    sign_in = signed_in()
    if not yes:
        click.confirm(f"Remove the worker {name}?", abort=True)

    async def ask(api: Api) -> Sequence[Found]:
        await api.change("DELETE", "workers", name)
        return await api.all("workers")

    removed = [one for one in asked(sign_in, ask) if one.get("name") == name and one.get("known")]
    click.echo(f"The worker {said({'it': name}, 'it')} is gone.")
    if removed:
        click.echo("The keeper knows it still. Run on the keeper's host:")
        click.echo(f"  sealock keeper workers remove {said({'it': name}, 'it')}")


async def _invited(api: Api, name: str) -> tuple[Any, Any]:
    """The installation, and the invitation, which is asked for last and not again: it is shown once."""
    return await api.get("installation"), await api.post("workers", name, "invite", again=False)


def _row(worker: Found) -> list[str]:
    labels = ", ".join(said({"it": one}, "it") for one in listed(worker, "labels"))
    return [
        said(worker, "name"),
        _state(worker),
        f"{said(worker, 'running')} of {said(worker, 'machines')}",
        labels or "-",
        moment(worker, "seen_at") or "never",
        said(worker, "version") or "-",
    ]


def _state(worker: Found) -> str:
    state = said(worker, "state")
    if state == WorkerState.REVOKED:
        return "removed"
    if state == WorkerState.ACTIVE and not worker.get("joined"):
        return "to join"
    return "not known to the keeper" if _is_unknown(worker) else state


def _is_unknown(worker: Found) -> bool:
    """The keeper makes no lease for it, so it builds nothing."""
    return worker.get("known") is False and said(worker, "state") != WorkerState.REVOKED


def _tell_unknown(worker: Found) -> None:
    name, key = said(worker, "name"), said(worker, "key")
    click.echo(f"The keeper does not know {name}. If that is the key its host prints, run on the keeper's:")
    click.echo(f"  sealock keeper workers admit {name} {key}")


def _tell_invited(site: Any, made: Any, name: str, url: str, as_json: bool) -> None:
    """How to join. The token alone on standard output, so that it can be piped on."""
    if as_json:
        tell_json(made)
        return
    told, door = said({"it": name}, "it"), said(site, "workers").removeprefix("https://")
    click.echo(f"The token of {told} works once, for an hour. With it in FILE, run on its host:", err=True)
    server = shlex.quote(f"https://{door or f'{urlsplit(url).hostname}:PORT'}")
    click.echo(f"  sealock worker --server {server} --state /var/lib/sealock-worker --join FILE", err=True)
    if not door:
        click.echo("PORT is that of the server's setting `worker_listen`, 8444 by default.", err=True)
    click.echo(said(made, "token"))
