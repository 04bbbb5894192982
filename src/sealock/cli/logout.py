"""`sealock logout`: revokes this host's token at the server, then forgets it."""

from __future__ import annotations

from contextlib import suppress

import click

from sealock.cli.api import Api, asked
from sealock.cli.api_errors import SignInEnded
from sealock.cli.server import signed_in
from sealock.cli.sign_ins import SignIn, SignIns


@click.command()
@click.option("--forget", is_flag=True, help="Forget it here even if it cannot be revoked there.")
def logout(*, forget: bool) -> None:
    """Revoke the token of this host at the server and forget it.

    If the server cannot be reached nothing is forgotten, so that no token stays alive unseen; --forget does
    it all the same.
    """
    sign_in = signed_in()
    if not forget:
        _revoke(sign_in)
    SignIns().forget(sign_in.url)
    click.echo(f"Signed out of {sign_in.url}.")
    if forget:
        click.echo(f"The token still works: revoke it on {sign_in.url}/account")
    following = SignIns().current()
    if following is not None:
        click.echo(f"Commands act on {following.url} now.")


def _revoke(sign_in: SignIn) -> None:
    """The token ends itself."""

    async def revoke(api: Api) -> None:
        with suppress(SignInEnded):  # somebody revoked it before us, or it was at its end
            await api.change("DELETE", "token")

    asked(sign_in, revoke)
