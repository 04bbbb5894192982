"""`sealock secrets`: variables and files that a project's builds may have, and what a build was given.

Values come in, by a prompt, a file or standard input, and are sealed at once; no command gives one back.
"""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import click

from sealock.cli.attempts import MOST
from sealock.cli.places import LOCAL, places
from sealock.cli.tools import Tools
from sealock.core.errors import UsageError
from sealock.core.scope import Scope
from sealock.core.sealed import LONGEST_VALUE, Kind
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
@click.option(
    "--deployments-only",
    is_flag=True,
    help="Only for deployments (there are none yet), never for setup and tests.",
)
@click.option("--any-branch", is_flag=True, help="For builds of unprotected branches as well.")
@click.option(
    "--directories", is_flag=True, help="For `sealock run DIRECTORY --project` as well; this host alone."
)
@LOCAL
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
    directories: bool,
    local: bool,
) -> None:
    """Keep a new version of the secret NAME of PROJECT; the one before is not used any more.

    The value is asked for, or comes from --file or standard input: never from the command line, which others
    can see. Nobody can read it again, you included. Only steps that name it in sealock.yml get it, and unless
    --any-branch is given only in builds of protected branches. It is for the repository that the project
    builds now, and no other.
    """
    scope = Scope(pipelines, deployments_only, protected_only=not any_branch, directories=directories)
    kind = Kind.FILE if as_file else Kind.VARIABLE
    places(tools, local=local).secrets.keep(project, kind, name, scope, lambda: _value(name, file))


@secrets.command("list")
@click.argument("project")
@AS_JSON
@LOCAL
@click.pass_obj
def list_(tools: Tools, project: str, *, as_json: bool, local: bool) -> None:
    """The secrets of PROJECT: names and versions in use. Not their values, which nobody can read."""
    places(tools, local=local).secrets.tell(project, None, as_json=as_json)


@secrets.command()
@click.argument("project")
@click.argument("name")
@AS_JSON
@LOCAL
@click.pass_obj
def history(tools: Tools, project: str, name: str, *, as_json: bool, local: bool) -> None:
    """Every version there ever was of the secret NAME of PROJECT, with when it was set and destroyed."""
    places(tools, local=local).secrets.tell(project, name, as_json=as_json)


@secrets.command()
@click.argument("project")
@click.argument("name")
@click.option("--version", type=click.IntRange(min=1), help="Destroy this version alone.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@LOCAL
@click.pass_obj
def remove(tools: Tools, *, project: str, name: str, version: int | None, yes: bool, local: bool) -> None:
    """Destroy every version of the secret NAME of PROJECT. That it was there stays in its history.

    With --version that version alone; where it was the newest, builds get the one before it again.
    """
    places(tools, local=local).secrets.remove(project, name, version, ask=not yes)


@secrets.command()
@click.argument("build")
@click.option(
    "--attempt", type=click.IntRange(1, MOST), metavar="N", help="In this attempt alone. Default: in each."
)
@click.option("--json", "as_json", is_flag=True, help="A JSON list of the ledger's entries.")
@LOCAL
@click.pass_obj
def exposures(tools: Tools, build: str, *, attempt: int | None, as_json: bool, local: bool) -> None:
    """List what BUILD was given: which secret, which version, which step, when.

    The list is out of the keeper's ledger, where each line was written before the secret was handed out.
    Signed in to a server BUILD is one of its builds: an id, PROJECT#NUMBER, or PROJECT for its latest.
    """
    places(tools, local=local).secrets.exposures(build, attempt=attempt, as_json=as_json)


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
