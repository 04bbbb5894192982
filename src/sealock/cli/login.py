"""`sealock login`: signs in to a server and keeps a token of its own for this host.

The password goes to the server once and is forgotten; what is kept is a token, which can do less and can be
revoked alone. Neither is ever an argument, which others could see.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from sealock.cli.api import Api, connected
from sealock.cli.api_errors import SignInEnded
from sealock.cli.sanitize import printable
from sealock.cli.sign_ins import SignIn, SignIns, server_address
from sealock.cli.trust import authority_of
from sealock.core.access import ROLE_PERMISSIONS, TOKEN_PERMISSIONS, Permission
from sealock.core.errors import PermanentError, UsageError
from sealock.core.grant import Role
from sealock.core.secret import Secret

DAYS = 90
"""Days a token lasts, until one signs in again."""
LONGEST_TOKEN = 200
NEEDED = frozenset(TOKEN_PERMISSIONS) - {Permission.MEMBERS_WRITE}
"""What the commands do; a token is made for those of them that its person may do."""


@click.command()
@click.argument("url")
@click.option(
    "--ca",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The certificate (PEM) of the server's authority, which you trust.",
)
@click.option(
    "--fingerprint",
    metavar="SHA256",
    help="Of the authority's certificate, as `sealock authority` on the server prints it.",
)
@click.option(
    "--token",
    metavar="-",
    help="Read a token made on the account page from standard input, instead of asking for a password.",
)
def login(url: str, *, ca: Path | None, fingerprint: str | None, token: str | None) -> None:
    """Sign in to the server at URL (https://HOST[:PORT]); from then on commands act on it.

    Asks for your e-mail address and password and makes a token named after this host, which is kept in a
    file only you can read. If this host does not know the server's certificate authority, its fingerprint
    is shown first, to be compared with what `sealock authority` prints on the server.
    """
    place = server_address(url)
    given = _token_from_input(token)
    if given is None and not sys.stdin.isatty():
        raise UsageError(
            "Nobody is here to be asked for a password", resolution="Scripts give a token: --token -"
        )
    authority = asyncio.run(authority_of(place, ca, fingerprint))
    if given is None:
        made = _with_password(place, authority)
    else:
        made = asyncio.run(_checked(SignIn(place, given, authority=authority)))
    SignIns().keep(made)
    whose = f" as {printable(made.person)}" if made.person else ""
    click.echo(f"Signed in to {place}{whose}. Commands act on it from now on; `sealock logout` ends it.")


def _token_from_input(token: str | None) -> Secret | None:
    if token is None:
        return None
    if token != "-":  # noqa: S105 - the sign for standard input, not a token
        raise UsageError(
            "A token is not given as an argument, which others on this host could see",
            resolution="Revoke that one, and pipe the next in: sealock login URL --token - < FILE",
        )
    text = sys.stdin.read(LONGEST_TOKEN).strip()
    if not (text.startswith("slk_") and text.isascii() and text.isprintable() and " " not in text):
        raise UsageError("What came on standard input is no token", resolution="Tokens begin with slk_.")
    return Secret(text.encode())


def _with_password(url: str, authority: str) -> SignIn:
    email: str = click.prompt("E-mail address", err=True)
    typed: str = click.prompt("Password", hide_input=True, err=True)
    with Secret(typed.encode()) as password:
        return asyncio.run(_sign_in(url, authority, email, password))


async def _sign_in(url: str, authority: str, email: str, password: Secret) -> SignIn:
    async with Api(url, authority=authority) as api:
        try:
            await api.sign_in(email, password)
        except SignInEnded as error:
            raise UsageError(
                error.brief,
                resolution="Run the command again, with those you sign in to its pages with.",
            ) from error
        try:
            person = await api.who_am_i()
            made = await api.post("tokens", body=_wanted(person), again=False)
        finally:
            await api.sign_out()
    try:
        token = Secret(str(made["token"]).encode())
    except (TypeError, KeyError):
        raise PermanentError(f"{url} made a token that cannot be read") from None
    return await _checked(SignIn(url, token, authority=authority))


def _wanted(person: dict[str, Any]) -> dict[str, object]:
    """A token for what this person may do and the commands do."""
    known = {role.value for role in Role}
    roles = [one for one in person.get("roles", ()) if one.get("role") in known]
    may = frozenset[Permission]().union(*(ROLE_PERMISSIONS[Role(one["role"])] for one in roles))
    return {
        "name": f"sealock on {socket.gethostname()}"[:80],
        "permissions": sorted(may & NEEDED),
        "days": DAYS,
    }


async def _checked(sign_in: SignIn) -> SignIn:
    """The same, once the token has been seen to work: whose it is, and the key that the server's receipts
    have now."""
    async with connected(sign_in) as api:
        token, site = await api.get("token"), await api.get("installation")
    try:
        return replace(sign_in, person=str(token["person"]["email"]), receipt_key=str(site["public_key"]))
    except (TypeError, KeyError):
        raise PermanentError(f"{sign_in.url} says what it is in words that cannot be read") from None
