"""`sealock rerun`: the same commit again, in a new build."""

from __future__ import annotations

from typing import Any

import click

from sealock.cli.api import Api, asked
from sealock.cli.build_names import find_build
from sealock.cli.server import AS_JSON, page, signed_in, tell_json
from sealock.cli.watching import watch_build
from sealock.cli.words import name_of, said


@click.command()
@click.argument("build")
@click.option("--failed", is_flag=True, help="Only the pipelines that did not pass.")
@click.option("--watch", is_flag=True, help="Then watch it, as `sealock watch` does.")
@AS_JSON
@click.pass_context
def rerun(ctx: click.Context, build: str, *, failed: bool, watch: bool, as_json: bool) -> None:
    """Build the commit of BUILD again: an id, PROJECT#NUMBER, or PROJECT for its latest.

    The steps get the versions of secrets that BUILD had. BUILD must have ended.
    """
    sign_in = signed_in()

    async def ask(api: Api) -> Any:
        found = await find_build(api, build)
        return await api.post("builds", found["id"], "restart", body={"failed_only": failed})

    made = asked(sign_in, ask)
    if as_json and not watch:
        tell_json(made)
        return
    if not as_json:
        click.echo(f"Started {name_of(made)}: {page(sign_in, 'builds', said(made, 'id'))}")
    if watch:
        ctx.exit(watch_build(sign_in, said(made, "id"), as_json=as_json))
