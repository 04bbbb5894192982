"""`sealock builds`: what was built, what is built now, and the start of a build."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from sealock.cli.api import Api, asked
from sealock.cli.build_names import find_build
from sealock.cli.server import AS_JSON, page, signed_in, tell_json
from sealock.cli.watching import watch_build
from sealock.cli.words import Found, fields, listed, moment, name_of, said, short, status, table, took
from sealock.core.build import Outcome
from sealock.core.build_state import BuildState

STATES = click.Choice([state.value for state in BuildState])
OUTCOMES = click.Choice([outcome.value for outcome in Outcome])


@click.group()
def builds() -> None:
    """Builds of the server's projects: list, show, start."""


@builds.command("list")
@click.option("--project", metavar="NAME", help="Of this project alone.")
@click.option("--branch", metavar="NAME", help="Of this branch.")
@click.option("--state", type=STATES, help="In this state.")
@click.option("--outcome", type=OUTCOMES, help="That came out so.")
@click.option("--commit", metavar="SHA", help="Of this commit, whole.")
@click.option("--mine", is_flag=True, help="That you asked for.")
@click.option("--limit", type=click.IntRange(1, 100), default=30, show_default=True, help="At most so many.")
@AS_JSON
def list_(*, as_json: bool, mine: bool, **which: Any) -> None:
    """The newest builds first."""
    sign_in = signed_in()
    query = which | {"mine": "true" if mine else None}
    found = asked(sign_in, lambda api: api.get("builds", query=query))
    if as_json:
        tell_json(found)
        return
    if not found["items"]:
        click.echo("There is no such build. `sealock builds start PROJECT` starts one.")
        return
    for line in table([_row(build) for build in found["items"]]):
        click.echo(line)


@builds.command()
@click.argument("build")
@AS_JSON
def show(build: str, *, as_json: bool) -> None:
    """What is known of BUILD: an id, PROJECT#NUMBER, or PROJECT for its latest."""
    sign_in = signed_in()

    async def ask(api: Api) -> dict[str, Any]:
        found = await find_build(api, build)
        whole: dict[str, Any] = await api.get("builds", found["id"])
        return whole

    found = asked(sign_in, ask)
    if as_json:
        tell_json(found)
        return
    for line in described(found):
        click.echo(line)
    click.echo(page(sign_in, "builds", said(found, "id")))


@builds.command()
@click.argument("project")
@click.option("--ref", metavar="REF", help="Branch, commit, or refs/tags/TAG. Default: the default branch.")
@click.option(
    "--pipeline", "pipelines", multiple=True, metavar="NAME", help="Only this one; may be repeated."
)
@click.option("--watch", is_flag=True, help="Then watch it, as `sealock watch` does.")
@AS_JSON
@click.pass_context
def start(
    ctx: click.Context,
    *,
    project: str,
    ref: str | None,
    pipelines: tuple[str, ...],
    watch: bool,
    as_json: bool,
) -> None:
    """Start a build of PROJECT."""
    sign_in = signed_in()
    body = {"ref": ref, "pipelines": list(pipelines)}
    made = asked(sign_in, lambda api: api.post("projects", project, "builds", body=body))
    if as_json and not watch:
        tell_json(made)
        return
    if not as_json:
        click.echo(f"Started {name_of(made)}: {page(sign_in, 'builds', said(made, 'id'))}")
    if watch:
        ctx.exit(watch_build(sign_in, said(made, "id"), as_json=as_json))


def described(build: Found) -> Iterator[str]:
    """A build with its steps."""
    yield f"{name_of(build)}  {status(build)}"
    yield from fields(
        [
            ("id", said(build, "id")),
            ("reason", said(build, "reason")),
            ("waits", "; ".join(_reasons(build))),
            ("asked by", said(build, "trigger")),
            ("ref", said(build, "branch") or said(build, "ref")),
            ("commit", said(build, "commit")),
            ("only", _only(build)),
            ("message", said(build, "message")),
            ("author", said(build, "author")),
            ("asked at", moment(build, "created_at")),
            ("started", moment(build, "started_at")),
            ("took", took(build)),
            ("attempt", said(build, "attempt")),
        ]
    )
    for step in listed(build, "steps"):
        reason = said(step, "reason")
        told = f"  {said(step, 'name'):<16}  {said(step, 'state'):<8}  {took(step)}"
        yield told.rstrip() + (f"  {reason}" if reason else "")


def _reasons(build: Found) -> Iterator[str]:
    """Why it waits."""
    waiting = build.get("waiting")
    for reason in listed(waiting, "reasons"):
        yield said(reason, "sentence") if isinstance(reason, dict) else said({"it": reason}, "it")


def _row(build: Found) -> list[str]:
    return [
        status(build),
        name_of(build),
        short(said(build, "branch") or said(build, "ref")),
        said(build, "commit")[:10],
        took(build),
        short(said(build, "message")) + (f" (only {short(only)})" if (only := _only(build)) else ""),
    ]


def _only(build: Found) -> str:
    """The pipelines it was asked for, where it was not for all."""
    return ", ".join(said({"it": one}, "it") for one in listed(build, "pipelines"))
