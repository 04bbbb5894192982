"""`sealock whoami`: the server commands act on, and as whom."""

from __future__ import annotations

from typing import Any

import click

from sealock import __version__
from sealock.cli.api import Api, asked
from sealock.cli.server import AS_JSON, page, signed_in, tell_json
from sealock.cli.words import fields, listed, moment, said


@click.command()
@AS_JSON
def whoami(*, as_json: bool) -> None:
    """Say which server commands act on, as whom, and until when the token of this host lasts."""
    sign_in = signed_in()

    async def ask(api: Api) -> tuple[Any, Any]:
        return await api.get("token"), await api.get("installation")

    found, site = asked(sign_in, ask)
    if as_json:
        tell_json(found)
        return
    ours, theirs = __version__, said(site, "version")
    person = found.get("person")
    pairs = [
        ("server", sign_in.url),
        ("its version", theirs if theirs == ours else f"{theirs}; this is {ours}: use one of the same"),
        ("person", f"{said(person, 'name')} <{said(person, 'email')}>"),
        ("token", said(found, "name")),
        ("lasts until", moment(found, "expires_at")),
        ("may", ", ".join(said({"it": one}, "it") for one in listed(found, "permissions"))),
        ("account page", page(sign_in, "account")),
    ]
    for line in fields(pairs):
        click.echo(line)
