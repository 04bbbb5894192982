"""`sealock cancel`: ends a build that waits or runs."""

from __future__ import annotations

from typing import Any

import click

from sealock.cli.api import Api, asked
from sealock.cli.build_names import find_build
from sealock.cli.server import AS_JSON, page, signed_in, tell_json
from sealock.cli.words import name_of, said, status
from sealock.core.build import Outcome
from sealock.core.build_state import BuildState


@click.command()
@click.argument("build")
@AS_JSON
def cancel(build: str, *, as_json: bool) -> None:
    """Cancel BUILD: an id, PROJECT#NUMBER, or PROJECT for its latest.

    One that waits is over at once. One that runs has its machine ended; what it printed so far is kept, and
    its receipt is signed.
    """
    sign_in = signed_in()

    async def ask(api: Api) -> dict[str, Any]:
        found = await find_build(api, build)
        told = await api.post("builds", found["id"], "cancel")
        if isinstance(told, dict):
            return told
        now: dict[str, Any] = await api.get("builds", found["id"])
        return now

    found = asked(sign_in, ask)
    if as_json:
        tell_json(found)
        return
    over = found["state"] == BuildState.ENDED and found["outcome"] != Outcome.CANCELLED
    click.echo(
        f"{name_of(found)}  {status(found)}" + ("  it had ended, nothing was cancelled" if over else "")
    )
    click.echo(page(sign_in, "builds", said(found, "id")))
