"""`sealock project`: repositories that are built with a key of their own.

The private half of a key is made sealed and never comes here; what these commands print is public.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from sealock.builds.projects import add_project, remove_project, reset_key
from sealock.cli.local_logs import remove_logs_of
from sealock.cli.tools import Tools
from sealock.core.project import Project

AS_JSON = click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")


@click.group()
def project() -> None:
    """This host's own projects: repositories that `sealock run` builds with a key of their own.

    Those of a server are `sealock projects`.
    """


@project.command()
@click.argument("name")
@click.argument("url")
@click.option(
    "--host-key",
    "given",
    multiple=True,
    metavar="LINE",
    help="A key of the Git server, as `ssh-keyscan` prints it and you compared it. May be repeated.",
)
@AS_JSON
@click.pass_obj
def add(tools: Tools, name: str, url: str, given: tuple[str, ...], as_json: bool) -> None:
    """Add the repository at URL as NAME and make its SSH key.

    The public half is printed: install it at the Git server as a deploy key that may only read. The
    server's own keys are pinned now. For servers Sealock does not know, give them with --host-key.
    """
    address = tools.git_address(url)
    host_keys = tools.host_keys(address.host, address.port, given)
    made = add_project(name, address, host_keys, projects=tools.projects(), sealer=tools.sealer())
    if as_json:
        click.echo(json.dumps(_shown(made), indent=2))
        return
    click.echo(f"The project {made.name} builds {made.address}.")
    _tell_key(made)


@project.command("list")
@AS_JSON
@click.pass_obj
def list_(tools: Tools, as_json: bool) -> None:
    """Every project, by name."""
    found = tools.projects().all()
    if as_json:
        click.echo(json.dumps([_shown(each) for each in found], indent=2))
        return
    if not found:
        click.echo("There is no project yet. `sealock project add NAME URL` adds one.")
    width = max((len(each.name) for each in found), default=0)
    for each in found:
        click.echo(f"{each.name:<{width}}  {each.address}")


@project.command()
@click.argument("name", metavar="PROJECT")
@AS_JSON
@click.pass_obj
def show(tools: Tools, name: str, as_json: bool) -> None:
    """What is known of PROJECT."""
    found = tools.projects().get(name)
    if as_json:
        click.echo(json.dumps(_shown(found), indent=2))
        return
    click.echo(f"{'name':<12}{found.name}")
    click.echo(f"{'repository':<12}{found.address}")
    click.echo(f"{'added':<12}{_day(found.created_at)}")
    click.echo(f"{'key':<12}version {found.sealed_key.version}, sealed under {found.sealed_key.under}")
    click.echo(f"{'public half':<12}{found.public_key}")
    for number, line in enumerate(found.host_keys):
        click.echo(f"{'' if number else 'host keys':<12}{line}")


@project.command()
@click.argument("name", metavar="PROJECT")
@click.pass_obj
def key(tools: Tools, name: str) -> None:
    """Print the public half of the key of PROJECT, one line, and nothing else."""
    click.echo(tools.projects().get(name).public_key)


@project.command("reset-key")
@click.argument("name", metavar="PROJECT")
@AS_JSON
@click.pass_obj
def reset_key_(tools: Tools, name: str, as_json: bool) -> None:
    """Give PROJECT a new key. The old one is gone: remove it at the Git server too."""
    made = reset_key(name, projects=tools.projects(), sealer=tools.sealer())
    if as_json:
        click.echo(json.dumps(_shown(made), indent=2))
        return
    click.echo(f"The project {made.name} has a new key, version {made.sealed_key.version}.")
    click.echo("Remove the old one at the Git server: nothing of ours uses it any more.")
    _tell_key(made)


@project.command()
@click.argument("name", metavar="PROJECT")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(tools: Tools, name: str, yes: bool) -> None:
    """Forget PROJECT, its keys, its secrets and its builds' logs."""
    found = tools.projects().get(name)
    if not yes:
        click.confirm(f"Forget {found.name} ({found.address}), its keys, secrets and logs?", abort=True)
    remove_project(
        name,
        projects=tools.projects(),
        keys=tools.key_destroyer(),
        places=tools.sealed_places(),
        remove_logs=lambda owner: remove_logs_of(tools, owner),
    )
    click.echo(f"The project {found.name} is gone. Remove its key at the Git server too:")
    click.echo(found.public_key)


def _shown(found: Project) -> dict[str, object]:
    """What programs get: nothing that is sealed, since it is of no use to them."""
    return {
        "id": found.id,
        "name": found.name,
        "address": str(found.address),
        "host_keys": list(found.host_keys),
        "public_key": found.public_key,
        "key_version": found.sealed_key.version,
        "sealed_under": found.sealed_key.under,
        "created_at": _day(found.created_at),
    }


def _tell_key(made: Project) -> None:
    click.echo("Install this public key there as a deploy key that may only read:")
    click.echo(made.public_key)


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
