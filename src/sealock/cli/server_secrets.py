"""The secrets of a server's projects. A value goes there over TLS, is sealed there, and never comes back."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any

import click

from sealock.cli.api import Api, asked
from sealock.cli.attempts import had
from sealock.cli.build_names import find_build
from sealock.cli.sanitize import printable
from sealock.cli.secret_words import (
    GIVEN_NOTHING,
    masking_words,
    never_had,
    no_directories,
    only_of,
    scope_words,
)
from sealock.cli.server import page, tell_json
from sealock.cli.sign_ins import SignIn
from sealock.cli.words import Found, moment, said, table
from sealock.core.scope import Scope
from sealock.core.sealed import Kind
from sealock.core.secret import Secret


class ServerSecrets:
    """`places.SecretPlace`."""

    def __init__(self, sign_in: SignIn) -> None:
        self._sign_in = sign_in

    def keep(self, project: str, kind: Kind, name: str, scope: Scope, value: Callable[[], Secret]) -> None:
        """Send it to be sealed as the next version. UsageError for what a server has none of."""
        if scope.directories:
            no_directories()
        asked(self._sign_in, lambda api: api.get("projects", project))
        with value() as given:
            note = masking_words(given)
            body = {
                "value": b64encode(given.reveal()).decode(),
                "encoding": "base64",
                "kind": kind.value,
                "pipelines": list(scope.pipelines),
                "deployments_only": scope.deployments_only,
                "protected_only": scope.protected_only,
            }
            kept = asked(
                self._sign_in, lambda api: api.change("PUT", "projects", project, "secrets", name, body=body)
            )
        named, version = said(kept, "name"), said(kept, "version")
        of = printable(project)
        click.echo(f"The {kind} {named} of {of} is set, version {version}, for {scope_words(scope)}.")
        click.echo(only_of(said(kept, "repository")))
        if note is not None:
            click.echo(note)

    def tell(self, project: str, name: str | None, *, as_json: bool) -> None:
        """Those in use, or every version of one."""
        found = asked(self._sign_in, lambda api: api.all("projects", project, "secrets"))
        if name is None:
            live = {(one["kind"], one["name"]): one for one in found if one["destroyed_at"] is None}
            self._tell(list(live.values()), as_json, f"{printable(project)} has no secrets.")
        else:
            versions = [one for one in found if one["name"] == name]
            self._tell(versions or never_had(project, name), as_json, "")

    def remove(self, project: str, name: str, version: int | None, *, ask: bool) -> None:
        """Destroy every version, or that one."""
        which = "every version" if version is None else f"version {version}"
        of = f"the secret {printable(name)} of {printable(project)}"
        if ask:
            click.confirm(f"Destroy {which} of {of}?", abort=True)
        query = {"version": version}
        asked(
            self._sign_in, lambda api: api.change("DELETE", "projects", project, "secrets", name, query=query)
        )
        click.echo(f"Destroyed: {which} of {of}. What builds were given stays theirs:")
        click.echo(
            "`sealock secrets exposures BUILD` says which had it, so replace it where it opens something."
        )

    def exposures(self, build: str, *, attempt: int | None, as_json: bool) -> None:
        """Out of the ledger of the server's keeper."""

        async def ask(api: Api) -> tuple[dict[str, Any], Any]:
            found = await find_build(api, build)
            had(found, attempt)
            return found, await api.get("builds", found["id"], "exposures")

        found, told = asked(self._sign_in, ask)
        items = [one for one in told["items"] if attempt in (None, one["attempt"])]
        if as_json:
            tell_json(told | {"items": items})
            return
        if not items:
            click.echo(GIVEN_NOTHING)
        for one in items:
            click.echo(_row(one))
        click.echo(page(self._sign_in, "builds", said(found, "id"), "receipt"), err=True)

    def _tell(self, found: Sequence[Found], as_json: bool, nothing: str) -> None:
        if as_json:
            tell_json({"items": list(found), "next": None})
            return
        if not found:
            click.echo(nothing)
            return
        for line in table([_version(one) for one in found]):
            click.echo(line)


def _version(one: Found) -> list[str]:
    gone = moment(one, "destroyed_at")
    pinned = ", kept for a restart" if one.get("pinned") else ""
    told = f"set {moment(one, 'created_at')}{pinned}" + (f", destroyed {gone}" if gone else "")
    return [said(one, "name"), said(one, "kind"), f"version {said(one, 'version')}", told]


def _row(one: Found) -> str:
    what = f"{said(one, 'kind')} {said(one, 'name')} version {said(one, 'version')}"
    place = f"step {said(one, 'step')}" if said(one, "step") else "the fetch"
    return f"{moment(one, 'at')}  {what}  to {place} of attempt {said(one, 'attempt')}"
