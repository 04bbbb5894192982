"""The server that commands act on: the one that was signed in to last."""

from __future__ import annotations

import json
from typing import Any

import click

from sealock.cli.sign_ins import SignIn, SignIns
from sealock.core.errors import UsageError

AS_JSON = click.option("--json", "as_json", is_flag=True, help="JSON as of the API, for programs.")


def signed_in() -> SignIn:
    """The sign-in to act with. UsageError if there is none."""
    found = SignIns().current()
    if found is None:
        raise UsageError(
            "You are not signed in to a server",
            resolution="Sign in first: sealock login https://HOST. Without a server, `sealock run` builds on "
            "this host, and `sealock project` has its projects.",
        )
    return found


def tell_json(found: Any) -> None:
    """JSON of whatever the API said; every character outside ASCII escaped, so that it is safe to print."""
    click.echo(json.dumps(found, indent=2))


def page(sign_in: SignIn, *path: str) -> str:
    """The address of a page, for people to open."""
    return "/".join((sign_in.url, *path))
