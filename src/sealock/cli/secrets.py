"""`sealock secrets`: variables and files that a project's builds may have, and what a build was given.

Values come in, by a prompt, a file or standard input, and are sealed at once; no command gives one back.
"""

from __future__ import annotations

import asyncio
import json
import stat
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from sealock.builds.secrets import keep_secret, project_secrets, remove_secret, version_in_use
from sealock.cli.tools import Tools
from sealock.core.errors import UsageError
from sealock.core.release import Entry, Released
from sealock.core.scope import Scope
from sealock.core.sealed import LONGEST_VALUE, Kind, SealedVersion
from sealock.core.secret import Secret

AS_JSON = click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")


@click.group()
def secrets() -> None:
    """Secrets of projects: variables and files that builds may have, and which build had them."""


@secrets.command("set")
@click.argument("project")
@click.argument("name")
@click.option("--file", type=click.Path(path_type=Path), help="Take the value from this file, as it is.")
@click.option("--as-file", is_flag=True, help="Steps get a file of that name, not a variable.")
@click.option(
    "--pipeline", "pipelines", multiple=True, metavar="NAME", help="Only for this one; may be repeated."
)
@click.option("--deployments-only", is_flag=True, help="Only for deployments, never for setup and tests.")
@click.option("--any-branch", is_flag=True, help="For builds of unprotected branches as well.")
@click.pass_obj
def set_(
    tools: Tools,
    *,
    project: str,
    name: str,
    file: Path | None,
    as_file: bool,
    pipelines: tuple[str, ...],
    deployments_only: bool,
    any_branch: bool,
) -> None:
    """Keep a new version of the secret NAME of PROJECT; the one before is not used any more.

    The value is asked for, or comes from --file or standard input: never from the command line, which others
    can see. Nobody can read it again, you included. Only steps that name it in sealock.yml get it, and unless
    --any-branch is given only in builds of protected branches.
    """
    scope = Scope(pipelines, deployments_only, protected_only=not any_branch)
    kind = Kind.FILE if as_file else Kind.VARIABLE
    found = tools.projects().get(project)
    with _value(name, file) as value:
        kept = keep_secret(
            found, kind, name, value, scope, values=tools.sealed_values(), sealer=tools.secret_sealer()
        )
    click.echo(f"The {kind} {name} of {project} is set, version {kept.version}, for {_words(scope)}.")
    if kept.version > 1:
        click.echo("Earlier versions stay for `sealock run --secrets-of`, each for what it was set with: see")
        click.echo(
            f"`sealock secrets history {project} {name}`; `sealock secrets remove --version` destroys one."
        )


@secrets.command("list")
@click.argument("project")
@AS_JSON
@click.pass_obj
def list_(tools: Tools, project: str, as_json: bool) -> None:
    """The secrets of PROJECT: names and versions in use. Not their values, which nobody can read."""
    found = project_secrets(tools.projects().get(project), tools.sealed_values())
    live = {(each.name.kind, each.name.name): each for each in found if each.destroyed_at is None}
    _tell(list(live.values()), as_json, f"{project} has no secrets. `sealock secrets set` sets one.")


@secrets.command()
@click.argument("project")
@click.argument("name")
@AS_JSON
@click.pass_obj
def history(tools: Tools, project: str, name: str, as_json: bool) -> None:
    """Every version there ever was of the secret NAME of PROJECT, with when it was set and destroyed."""
    found = project_secrets(tools.projects().get(project), tools.sealed_values(), name)
    _tell(found, as_json, f"{project} never had a secret {name}.")


@secrets.command()
@click.argument("project")
@click.argument("name")
@click.option("--version", type=click.IntRange(min=1), help="Destroy this version alone.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(tools: Tools, *, project: str, name: str, version: int | None, yes: bool) -> None:
    """Destroy every version of the secret NAME of PROJECT. That it was there stays in its history.

    With --version that version alone; where it was the newest, builds get the one before it again.
    """
    found, values = tools.projects().get(project), tools.sealed_values()
    which = "every version" if version is None else f"version {version}"
    if not yes:
        click.confirm(f"Destroy {which} of the secret {name} of {project}?", abort=True)
    in_use = version_in_use(found, name, values)
    gone = remove_secret(found, name, values, version)
    told = f"{gone} version(s)" if version is None else f"version {version}"
    click.echo(f"Destroyed: {told} of {name} of {project}. What builds were given stays theirs:")
    click.echo("`sealock secrets exposures BUILD` says which had it, so replace it where it opens something.")
    left = version_in_use(found, name, values)
    if left is not None and left != in_use:
        click.echo(f"NOTE: version {left} is the newest now, so builds get that one.")


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


def _value(name: str, file: Path | None) -> Secret:
    """From a file, the person at the terminal, or what is piped in."""
    if file is not None:
        return _read(file)
    if sys.stdin.isatty():
        typed: str = click.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True)
        return Secret(typed.encode())
    return Secret(sys.stdin.buffer.read(LONGEST_VALUE + 1))


def _read(file: Path) -> Secret:
    try:
        with file.open("rb") as opened:
            # A pipe or terminal would be waited for without a word.
            if not stat.S_ISREG(file.stat().st_mode):
                raise UsageError(f"{file} is no regular file", resolution="Pipe it in instead.")
            return Secret(opened.read(LONGEST_VALUE + 1))
    except OSError as error:
        raise UsageError(f"{file} cannot be read", details=str(error)) from error


def _words(scope: Scope) -> str:
    branches = "protected branches" if scope.protected_only else "every branch, forks included"
    where = "deployments" if scope.deployments_only else "steps that name it"
    only = f" of the pipelines {', '.join(scope.pipelines)}" if scope.pipelines else ""
    return f"{where}{only}, on {branches}"


def _tell(found: list[SealedVersion], as_json: bool, nothing: str) -> None:
    if as_json:
        click.echo(json.dumps([_shown(each) for each in found], indent=2))
        return
    if not found:
        click.echo(nothing)
    width = max((len(each.name.name) for each in found), default=0)
    for each in found:
        gone = f", destroyed {_day(each.destroyed_at)}" if each.destroyed_at is not None else ""
        pinned = ", kept for a rerun" if each.pinned else ""
        told = f"{each.name.name:<{width}}  {each.name.kind:<8}  version {each.name.version}"
        click.echo(f"{told}, set {_day(each.created_at)}{pinned}{gone}")


def _shown(each: SealedVersion) -> dict[str, object]:
    return {
        "name": each.name.name,
        "kind": each.name.kind,
        "version": each.name.version,
        "set_at": _day(each.created_at),
        "destroyed_at": None if each.destroyed_at is None else _day(each.destroyed_at),
        "pinned": each.pinned,
    }


def _row(entry: Entry) -> str:
    assert isinstance(entry.fact, Released)
    at = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    what = f"{entry.fact.kind} {entry.fact.name} version {entry.fact.version}"
    place = f"step {entry.fact.step}" if entry.fact.step else "the fetch"
    return f"{at}  {what}  to {place} of attempt {entry.fact.attempt}"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
