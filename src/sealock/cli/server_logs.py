"""The logs of a server's builds, read through its API; the keeper there opens them and writes that down."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import aclosing
from typing import Any

import click

from sealock.cli.api import Api, asked, connected
from sealock.cli.attempts import had
from sealock.cli.build_names import find_build
from sealock.cli.following import follow_log
from sealock.cli.log_text import line_text
from sealock.cli.sanitize import Sanitizer
from sealock.cli.server import page, tell_json
from sealock.cli.sign_ins import SignIn
from sealock.cli.words import Found, listed, name_of, said
from sealock.core.errors import UsageError

AROUND = 50
"""Lines before and behind the one that says what is wrong."""


class ServerLogs:
    """`places.LogPlace`."""

    def __init__(self, sign_in: SignIn) -> None:
        self._sign_in = sign_in

    def show(self, build: str, *, attempt: int | None, as_json: bool, follow: bool, failed: bool) -> None:
        """Print it, as far as there is one by now."""
        if follow and failed:
            raise UsageError("--follow and --failed do not go together", resolution="Leave one out.")
        if failed:
            self._failed(build, attempt, as_json)
        else:
            asyncio.run(self._show(build, attempt, as_json, follow))

    def remove(self, build: str, attempt: int | None) -> None:
        """Remove that of an attempt."""

        async def ask(api: Api) -> dict[str, Any]:
            found = await find_build(api, build)
            query = {"attempt": had(found, attempt)}
            await api.change("DELETE", "builds", found["id"], "log", query=query)
            return found

        found = asked(self._sign_in, ask)
        click.echo(f"The log of {name_of(found)} and its key are gone; who removed it stays known.")

    async def _show(self, named: str, attempt: int | None, as_json: bool, follow: bool) -> None:
        colour = wants_colour()
        async with connected(self._sign_in) as api:
            found = await find_build(api, named)
            of = had(found, attempt)
            if follow:
                async with aclosing(follow_log(api, found["id"], of)) as lines:
                    async for line in lines:
                        print_line(line, as_json=as_json, colour=colour)
            elif as_json or colour:
                await _pages(api, found["id"], of, as_json=as_json, colour=colour)
            else:
                await _raw(api, found["id"], of)
        if not as_json:
            click.echo(page(self._sign_in, "builds", said(found, "id"), "log"), err=True)

    def _failed(self, named: str, attempt: int | None, as_json: bool) -> None:
        async def ask(api: Api) -> tuple[Found, Found, Found]:
            found = await find_build(api, named)
            of = {"attempt": had(found, attempt)}
            outline = await api.get("builds", found["id"], "log", "outline", query=of)
            line = outline["failing_line"]
            if line is None:
                return found, outline, {"items": [], "next": None, "total_lines": outline["total_lines"]}
            query = of | {"first": max(1, line - AROUND), "last": line + AROUND}
            return found, outline, await api.get("builds", found["id"], "log", query=query)

        found, outline, lines = asked(self._sign_in, ask)
        if as_json:
            tell_json({"failing_line": outline["failing_line"], **lines})
            return
        if outline["failing_line"] is None:
            click.echo(f"Nothing in the log of {name_of(found)} failed.", err=True)
        elif said(outline, "failing_command"):
            click.echo(f"$ {said(outline, 'failing_command')}")
        for line in listed(lines, "items"):
            mark = ">" if line.get("number") == outline["failing_line"] else " "
            click.echo(f"{mark}{said(line, 'number'):>6}  {said(line, 'text')}")
        where = f"log#L{outline['failing_line']}" if outline["failing_line"] else "log"
        click.echo(page(self._sign_in, "builds", said(found, "id"), where), err=True)


def wants_colour() -> bool:
    """Whether standard output is a terminal that may have colours."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def print_line(line: Found, *, as_json: bool, colour: bool) -> None:
    """One line of a log. One that is not whole yet is for programs alone: a terminal cannot take it back."""
    if as_json:
        click.echo(json.dumps(line))
    elif line.get("whole", True):
        click.echo(shown(line, colour=colour), color=colour)


def shown(line: Found, *, colour: bool) -> str:
    """A line's text, safe for a terminal."""
    html = line.get("html")
    if not colour or not isinstance(html, str):
        return said(line, "text")
    return line_text(html, colour=True)


async def _pages(api: Api, build: str, attempt: int | None, *, as_json: bool, colour: bool) -> None:
    first: int | None = 1
    while first is not None:
        found = await api.get("builds", build, "log", query={"first": first, "attempt": attempt})
        for line in found["items"]:
            print_line(line, as_json=as_json, colour=colour)
        first = found["next"]


async def _raw(api: Api, build: str, attempt: int | None) -> None:
    sanitizer = Sanitizer(colour=False)
    query, headers = {"attempt": attempt}, {"Accept": "text/plain"}
    async with api.stream("builds", build, "log", "raw", query=query, headers=headers) as answer:
        last = ""
        async for piece in answer.aiter_bytes():
            last = _printed(sanitizer.feed(piece)) or last
    last = _printed(sanitizer.finish()) or last
    if last and not last.endswith("\n"):
        click.echo()


def _printed(text: str) -> str:
    click.echo(text, nl=False)
    return text
