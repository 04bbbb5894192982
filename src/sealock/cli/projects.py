"""`sealock projects`: the server's projects, their settings, keys and hooks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from sealock.cli.api import Api, asked
from sealock.cli.project_settings import (
    OPTIONS,
    SETTINGS,
    changes,
    default_words,
    options_named,
    setting_options,
)
from sealock.cli.server import AS_JSON, page, signed_in, tell_json
from sealock.cli.words import Found, fields, listed, moment, said, table
from sealock.core.errors import UsageError

YES = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group()
def projects() -> None:
    """Projects of the server: repositories that are built there with a key of their own."""


@projects.command("list")
@AS_JSON
def list_(*, as_json: bool) -> None:
    """Every project, by name."""
    sign_in = signed_in()
    found = asked(sign_in, lambda api: api.all("projects"))
    if as_json:
        tell_json({"items": found, "next": None})
        return
    if not found:
        click.echo("There is no project yet. `sealock projects add NAME URL` adds one.")
        return
    for line in table([[said(one, "name"), said(one, "address")] for one in found]):
        click.echo(line)


@projects.command()
@click.argument("project")
@AS_JSON
def show(project: str, *, as_json: bool) -> None:
    """What is known of PROJECT, with its settings."""
    sign_in = signed_in()
    found = asked(sign_in, lambda api: api.get("projects", project))
    if as_json:
        tell_json(found)
        return
    for line in _described(found, asked(sign_in, _site)):
        click.echo(line)
    click.echo(page(sign_in, "projects", said(found, "id")))


@projects.command()
@click.argument("name")
@click.argument("url")
@click.option(
    "--host-key",
    "host_keys",
    multiple=True,
    metavar="LINE",
    help="A key of the Git server, as `ssh-keyscan` prints it and you compared it. May be repeated.",
)
@AS_JSON
def add(name: str, url: str, *, host_keys: tuple[str, ...], as_json: bool) -> None:
    """Add a project NAME for the repository at URL, with an SSH key of its own.

    The public half is printed: install it at the Git server as a deploy key that may only read.
    """
    sign_in = signed_in()
    body = {"name": name, "address": url, "host_keys": list(host_keys)}
    with _naming_host_key(given=bool(host_keys)):
        made = asked(sign_in, lambda api: api.post("projects", body=body))
    if as_json:
        tell_json(made)
        return
    click.echo(f"The project {said(made, 'name')} builds {said(made, 'address')}.")
    _tell_key(made)
    click.echo("So that each push is built, have it told: sealock projects hook " + said(made, "name"))
    click.echo(page(sign_in, "projects", said(made, "id")))


@projects.command()
@click.argument("project")
@setting_options
@AS_JSON
def settings(project: str, *, as_json: bool, **given: Any) -> None:
    """Show the settings of PROJECT, or change those that are given.

    An empty value ('') takes a list, an image or a limit back to its default.
    """
    sign_in, body = signed_in(), changes(given)
    if body:
        with options_named(OPTIONS):
            found = asked(sign_in, lambda api: api.change("PATCH", "projects", project, body=body))
    else:
        found = asked(sign_in, lambda api: api.get("projects", project))
    if as_json:
        tell_json(found)
        return
    for line in fields(list(_settings(found, asked(sign_in, _site)))):
        click.echo(line)
    click.echo(page(sign_in, "projects", said(found, "id"), "settings"))


@projects.command()
@click.argument("project")
def key(project: str) -> None:
    """Print the public half of PROJECT's key, one line, and nothing else.

    Install it at the Git server as a deploy key that may only read.
    """
    found = asked(signed_in(), lambda api: api.get("projects", project))
    click.echo(said(found, "public_key"))


@projects.command("reset-key")
@click.argument("project")
@YES
@AS_JSON
def reset_key(project: str, *, yes: bool, as_json: bool) -> None:
    """Give PROJECT a new SSH key. The old one is gone at once: builds fail until the new one is installed."""
    sign_in = signed_in()
    if not yes:
        click.confirm(f"Give {project} a new key? It has to be installed at the Git server.", abort=True)
    made = asked(sign_in, lambda api: api.post("projects", project, "key"))
    if as_json:
        tell_json(made)
        return
    click.echo(f"The project {said(made, 'name')} has a new key, version {said(made, 'key_version')}.")
    _tell_key(made)
    click.echo(page(sign_in, "projects", said(made, "id")))


@projects.command()
@click.argument("project")
@click.option("--reset", is_flag=True, help="Make a new secret; the old one is taken for a day longer.")
@click.option("--script", is_flag=True, help="Print the script for hooks/post-receive of a plain Git server.")
@AS_JSON
def hook(project: str, *, reset: bool, script: bool, as_json: bool) -> None:
    """Print what a Git server needs to tell us of pushes to PROJECT: an address, a secret, a name."""
    sign_in = signed_in()
    if reset:
        found = asked(sign_in, lambda api: api.post("projects", project, "hook", again=False))
    else:
        found = asked(sign_in, lambda api: api.get("projects", project, "hook"))
    if as_json:
        tell_json(found)
        return
    if script:
        click.echo(found["script"] or "", nl=False)
        return
    names = ("url", "secret", "repository")
    for line in fields([(name, said(found, name)) for name in names]):
        click.echo(line)


@projects.command()
@click.argument("project")
@YES
def remove(project: str, *, yes: bool) -> None:
    """Destroy the keys of PROJECT, then everything of it: builds, logs, secrets. For good."""
    sign_in = signed_in()
    found = asked(sign_in, lambda api: api.get("projects", project))
    name = said(found, "name")
    if not yes:
        told = f"Destroy {name} ({said(found, 'address')}) with its keys, builds, logs and secrets?"
        click.confirm(told, abort=True)
    identity = found.get("id")
    if not isinstance(identity, str):
        raise UsageError(f"There is no project {name}")
    asked(sign_in, lambda api: api.change("DELETE", "projects", identity))
    click.echo(f"The project {name} is gone. Remove its key at the Git server too:")
    click.echo(said(found, "public_key"))


@contextmanager
def _naming_host_key(*, given: bool) -> Iterator[None]:
    """The server says what is wrong with an address or a key; which option the key is given with is ours."""
    try:
        with options_named({"host_keys": "--host-key", "address": "URL", "name": "NAME"}):
            yield
    except UsageError as error:
        if "ssh-keyscan" in error.details and not given:
            error.details = error.details.replace("URL:", "--host-key:", 1)
            error.resolution = "Give the line of ssh-keyscan, once it is compared, with --host-key LINE."
        raise


async def _site(api: Api) -> Any:
    return await api.get("installation")


def _described(found: Found, site: Found) -> Iterator[str]:
    host_keys = [(f"host key {count}", said({"it": key}, "it")) for count, key in _numbered(found)]
    yield from fields(
        [
            ("name", said(found, "name")),
            ("id", said(found, "id")),
            ("repository", said(found, "address")),
            ("made", moment(found, "created_at")),
            ("key version", said(found, "key_version")),
            ("public key", said(found, "public_key")),
            *host_keys,
            *_settings(found, site),
        ]
    )


def _numbered(found: Found) -> Iterator[tuple[int, object]]:
    yield from enumerate(listed(found, "host_keys"), 1)


def _settings(found: Found, site: Found) -> Iterator[tuple[str, str]]:
    values = found.get("settings")
    for name in SETTINGS:
        several = [said({"it": one}, "it") for one in listed(values, name)]
        yield name.replace("_", " "), ", ".join(several) or said(values, name) or default_words(name, site)


def _tell_key(made: Found) -> None:
    click.echo("Install this public key at the Git server as a deploy key that may only read:")
    click.echo(said(made, "public_key"))
