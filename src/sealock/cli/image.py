"""`sealock image`: what machines start from. Builds, lists, shows and removes images of this host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import click

from sealock.cli.progress import watching
from sealock.cli.tools import Tools
from sealock.core.image import Image

AS_JSON = click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")
_SHORT_DIGEST = len("sha256:") + 12


@click.group()
def image() -> None:
    """What machines start from: build, list, show, remove."""


@image.command()
@click.argument("recipe")
@click.pass_obj
def build(tools: Tools, recipe: str) -> None:
    """Build the image of RECIPE: a shipped one's name (base, python), or the path of a TOML file.

    Returns at once if the same inputs were built before. The first image takes a minute or two.
    """
    with watching(f"image {recipe}") as progress:
        built = tools.images().build(recipe, progress)
    click.echo(f"{built.name} {built.digest}")
    click.echo(f"{_size(built.size)}, built {_time(built.built_at)}")


@image.command("list")
@AS_JSON
@click.pass_obj
def list_(tools: Tools, as_json: bool) -> None:
    """Every image on this host, newest first."""
    images = tools.images().all()
    if as_json:
        click.echo(json.dumps([_shown(each) for each in images], indent=2))
        return
    if not images:
        click.echo("There is no image yet. `sealock image build python` builds one.")
    width = max((len(each.name) for each in images), default=0)
    for each in images:
        facts = f"{each.suite:<9}  {_time(each.built_at)}  {_size(each.size):>8}"
        click.echo(f"{each.name:<{width}}  {each.digest[:_SHORT_DIGEST]}  {facts}")


@image.command()
@click.argument("name", metavar="IMAGE")
@AS_JSON
@click.pass_obj
def show(tools: Tools, name: str, as_json: bool) -> None:
    """What is in IMAGE (a recipe's name or a digest), once its files are proved whole."""
    images = tools.images()
    found = images.find(name)
    images.verify(found)
    inputs = images.inputs(found)
    if as_json:
        click.echo(json.dumps({**_shown(found), "inputs": inputs}, indent=2))
        return
    for label, value in _facts(found, inputs).items():
        click.echo(f"{label:<10}{value}")


@image.command()
@click.argument("digests", nargs=-1, required=True, metavar="DIGEST...")
@click.pass_obj
def remove(tools: Tools, digests: tuple[str, ...]) -> None:
    """Delete the images with these digests (the first 12 digits will do) from this host."""
    images = tools.images()
    for digest in digests:
        images.remove(digest)
        click.echo(f"The image {digest} is removed.")


def _facts(found: Image, inputs: Mapping[str, Any]) -> dict[str, str]:
    packages = inputs["packages"]
    return {
        "name": found.name,
        "digest": found.digest,
        "content": f"{found.content}, verified",
        "suite": found.suite,
        "user": found.user,
        "kernel": f"{inputs['kernel']['name']} {inputs['kernel']['version']}",
        "packages": f"{len(packages)} (each with its version: --json)",
        "built": _time(found.built_at),
        "size": _size(found.size),
        "files": str(found.root.parent),
    }


def _shown(found: Image) -> dict[str, object]:
    values = {field.name: getattr(found, field.name) for field in fields(found)}
    return {
        name: value if isinstance(value, str | int | float) else str(value) for name, value in values.items()
    }


def _size(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
