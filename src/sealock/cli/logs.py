"""`sealock logs`: what a build printed, for those who may read it, and its removal."""

from __future__ import annotations

import click

from sealock.cli.attempts import ATTEMPT
from sealock.cli.places import LOCAL, places
from sealock.cli.sanitize import printable
from sealock.cli.tools import Tools


class _ReadsByDefault(click.Group):
    """`sealock logs BUILD` is `sealock logs show BUILD`: no build's id is the name of a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, with `show` put in where no command is named."""
        if args and args[0] not in {*self.commands, *self.get_help_option_names(ctx)}:
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_ReadsByDefault)
def logs() -> None:
    """What a build printed, out of its sealed log: `sealock logs BUILD`."""


@logs.command()
@click.argument("build")
@ATTEMPT
@click.option("-f", "--follow", is_flag=True, help="Go on as it grows, until the build has ended.")
@click.option("--failed", is_flag=True, help="Only the lines around what failed, without colours.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@LOCAL
@click.pass_obj
def show(
    tools: Tools,
    *,
    build: str,
    attempt: int | None,
    follow: bool,
    failed: bool,
    as_json: bool,
    local: bool,
) -> None:
    """Print what BUILD printed, with its secrets masked as they were.

    Signed in to a server, BUILD is one of its builds: an id, PROJECT#NUMBER, or PROJECT for its latest. Else,
    and with --local, it is the id of a build of `sealock run`; only builds of projects have a log.

    Each log lies sealed. The keeper opens it for whoever may read it, and writes into its ledger that it did.
    """
    places(tools, local=local).logs.show(
        build, attempt=attempt, as_json=as_json, follow=follow, failed=failed
    )


@logs.command()
@click.argument("build")
@ATTEMPT
@click.option("--yes", is_flag=True, help="Do not ask.")
@LOCAL
@click.pass_obj
def remove(tools: Tools, build: str, *, attempt: int | None, yes: bool, local: bool) -> None:
    """Remove the log of BUILD, and its key, for good. Who did it and when stays."""
    found = places(tools, local=local).logs
    if not yes:
        click.confirm(f"Remove the log of build {printable(build)} for good?", abort=True)
    found.remove(build, attempt)
