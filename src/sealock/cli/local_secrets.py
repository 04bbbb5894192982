"""The secrets of this host's own projects, for `sealock run`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

import click

from sealock.builds.secrets import keep_secret, project_secrets, remove_secret, version_in_use
from sealock.cli.secret_words import GIVEN_NOTHING, masking_words, never_had, only_of, scope_words
from sealock.cli.tools import Tools
from sealock.core.builds import run_id
from sealock.core.release import Entry, Exposures, Released
from sealock.core.scope import Scope
from sealock.core.sealed import Kind, SealedVersion
from sealock.core.secret import Secret

IN_VAIN = 3
"""Attempts in a row that were given nothing, behind which none is looked for."""


class LocalSecrets:
    """`places.SecretPlace`."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def keep(self, project: str, kind: Kind, name: str, scope: Scope, value: Callable[[], Secret]) -> None:
        """Seal it and keep it as the next version."""
        tools, found = self._tools, self._tools.projects().get(project)
        with value() as given:
            note = masking_words(given)
            kept = keep_secret(
                found, kind, name, given, scope, values=tools.sealed_values(), sealer=tools.secret_sealer()
            )
        click.echo(
            f"The {kind} {name} of {project} is set, version {kept.version}, for {scope_words(scope)}."
        )
        click.echo(only_of(str(found.address)))
        if note is not None:
            click.echo(note)
        if kept.version > 1:
            click.echo(
                "Earlier versions stay for `sealock run --secrets-of`, each for what it was set with: see"
            )
            told = f"`sealock secrets history {project} {name}`; `sealock secrets remove --version`"
            click.echo(f"{told} destroys one.")

    def tell(self, project: str, name: str | None, *, as_json: bool) -> None:
        """Those in use, or every version of one."""
        found = project_secrets(self._tools.projects().get(project), self._tools.sealed_values(), name)
        if name is not None:
            _tell(found or never_had(project, name), as_json, "")
            return
        live = {(each.name.kind, each.name.name): each for each in found if each.destroyed_at is None}
        _tell(list(live.values()), as_json, f"{project} has no secrets. `sealock secrets set` sets one.")

    def remove(self, project: str, name: str, version: int | None, *, ask: bool) -> None:
        """Destroy every version, or that one."""
        found, values = self._tools.projects().get(project), self._tools.sealed_values()
        which = "every version" if version is None else f"version {version}"
        if ask:
            click.confirm(f"Destroy {which} of the secret {name} of {project}?", abort=True)
        in_use = version_in_use(found, name, values)
        gone = remove_secret(found, name, values, version)
        told = f"{gone} version(s)" if version is None else f"version {version}"
        click.echo(f"Destroyed: {told} of {name} of {project}. What builds were given stays theirs:")
        click.echo(
            "`sealock secrets exposures BUILD` says which had it, so replace it where it opens something."
        )
        left = version_in_use(found, name, values)
        if left is not None and left != in_use:
            click.echo(f"NOTE: version {left} is the newest now, so builds get that one.")

    def exposures(self, build: str, *, attempt: int | None, as_json: bool) -> None:
        """The ledger's entries."""
        found = asyncio.run(_given(self._tools.exposures(), build, attempt))
        if as_json:
            click.echo(json.dumps([{"attempt": number} | asdict(entry) for number, entry in found], indent=2))
        elif not found:
            click.echo(GIVEN_NOTHING)
        for number, entry in found if not as_json else ():
            click.echo(_row(number, entry))


async def _given(ledger: Exposures, build: str, attempt: int | None) -> list[tuple[int, Entry]]:
    """What each attempt was given, or that one. The ledger has each under an id of its own and does not say
    how many there were: they are looked for until some in a row had nothing. An entry counts leases."""
    found: list[tuple[int, Entry]] = []
    number = attempt or 1
    while True:
        found += [(number, entry) for entry in await ledger.exposures(run_id(build, number))]
        last = found[-1][0] if found else 0
        if attempt is not None or number >= last + IN_VAIN:
            return found
        number += 1


def _tell(found: list[SealedVersion], as_json: bool, nothing: str) -> None:
    if as_json:
        click.echo(json.dumps([_shown(each) for each in found], indent=2))
        return
    if not found:
        click.echo(nothing)
    width = max((len(each.name.name) for each in found), default=0)
    for each in found:
        gone = f", destroyed {_day(each.destroyed_at)}" if each.destroyed_at is not None else ""
        pinned = ", kept for a restart" if each.pinned else ""
        told = f"{each.name.name:<{width}}  {each.name.kind:<8}  version {each.name.version}"
        click.echo(f"{told}, set {_day(each.created_at)}{pinned}{gone}")


def _shown(each: SealedVersion) -> dict[str, object]:
    return {
        "name": each.name.name,
        "kind": each.name.kind,
        "version": each.name.version,
        "set_at": _day(each.created_at),
        "destroyed_at": None if each.destroyed_at is None else _day(each.destroyed_at),
        "pinned": each.pinned,
    }


def _row(attempt: int, entry: Entry) -> str:
    assert isinstance(entry.fact, Released)
    at = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    what = f"{entry.fact.kind} {entry.fact.name} version {entry.fact.version}"
    place = f"step {entry.fact.step}" if entry.fact.step else "the fetch"
    return f"{at}  {what}  to {place} of attempt {attempt}"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
