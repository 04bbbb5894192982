"""`sealock settings`: what this installation runs with, and where each value is from."""

from __future__ import annotations

import json

import click

from sealock.cli.tools import Tools


@click.group()
def settings() -> None:
    """Show and check this installation's settings."""


@settings.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object, by setting.")
@click.pass_obj
def show(tools: Tools, as_json: bool) -> None:
    """Every setting with its value and where that is from."""
    rows = tools.settings()
    if as_json:
        values = {row.name: {"value": row.value, "source": row.source} for row in rows}
        click.echo(json.dumps(values, indent=2))
        return
    for row in rows:
        click.echo(f"{row.name:<24} {row.value or '-'}  ({row.source})")


@settings.command()
@click.pass_obj
def check(tools: Tools) -> None:
    """Read the settings and say whether they can be used."""
    made = [row for row in tools.settings() if row.source != "default"]
    click.echo(f"The settings are in order: {len(made)} made, the others at their defaults.")
