"""`sealock lint`: checks a sealock.yml with the reader that builds use. No server is asked."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sealock.cli.errors import tell
from sealock.cli.sanitize import printable
from sealock.cli.tools import Tools
from sealock.core.errors import ConfigError, ExitCode, UsageError
from sealock.core.plan import Plan

LONGEST_FILE = 256 * 1024 + 1
"""Bytes: one more than the reader takes, so that it says so itself."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default="sealock.yml")
@click.option(
    "--pipeline", "pipelines", multiple=True, metavar="NAME", help="Also check that there is this pipeline."
)
@click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")
@click.pass_context
def lint(ctx: click.Context, file: Path, *, pipelines: tuple[str, ...], as_json: bool) -> None:
    """Check FILE (default: sealock.yml) as a build would.

    Ends with 0 and says what would run, or with 2 and says file, line and column of the first mistake and
    what to do about it.
    """
    tools: Tools = ctx.obj
    try:
        plan = tools.plan_reader()(_read(file), file=str(file), pipelines=pipelines)
    except UsageError as error:
        if as_json:
            click.echo(json.dumps(_mistake(error), indent=2))
        else:
            tell(error)
        ctx.exit(ExitCode.USAGE)
    if as_json:
        click.echo(json.dumps(_in_order(plan), indent=2))
        return
    click.echo(f"{printable(str(file))} is in order: builds in {printable(plan.image)},")
    for step in plan.steps:
        count = len(step.commands)
        click.echo(f"  {printable(step.name)}: {count} command{'s' * (count != 1)}")


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(LONGEST_FILE)
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read",
            details=str(error.strerror),
            resolution="Give the file that says how the code is tested: sealock lint FILE",
        ) from error


def _in_order(plan: Plan) -> dict[str, object]:
    steps = [{"name": step.name, "commands": list(step.commands)} for step in plan.steps]
    return {"ok": True, "image": plan.image, "digest": plan.digest, "steps": steps}


def _mistake(error: UsageError) -> dict[str, object]:
    told: dict[str, object] = {"ok": False, "message": error.brief}
    if isinstance(error, ConfigError):
        place = {"file": error.file, "line": error.line, "column": error.column}
        told |= place | {"message": error.message}
    return told | {"details": error.details, "resolution": error.resolution}
