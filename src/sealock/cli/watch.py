"""`sealock watch`: a build of the server, live."""

from __future__ import annotations

import re
from typing import Any

import click

from sealock.cli.api import Api, asked
from sealock.cli.build_names import find_build
from sealock.cli.server import signed_in
from sealock.cli.watching import build_of_commit, newest_build, watch_build
from sealock.core.errors import UsageError

PATIENCE = 60.0
"""Seconds to wait for a build of a commit that was pushed just now."""


@click.command()
@click.argument("build", required=False)
@click.option(
    "--commit", metavar="SHA", help="BUILD is a project: the build of this commit, once there is one."
)
@click.option("--quiet", is_flag=True, help="Without the log.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, the result last.")
def watch(build: str | None, *, commit: str | None, quiet: bool, as_json: bool) -> int:
    """Watch BUILD until it has ended: an id, PROJECT#NUMBER, or PROJECT for its latest.

    Without BUILD it is the newest that has not ended. One that waits is waited for. Ctrl-C stops the
    watching, not the build.

    Exit codes are those of `sealock run`: 0 green, 1 the build failed or was cancelled, 3 a fault of Sealock.
    """
    sign_in = signed_in()
    if commit is not None and not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit):
        raise UsageError(
            f"--commit {commit!r} is no commit", resolution="Give all of it, as `git rev-parse HEAD` does."
        )

    async def ask(api: Api) -> dict[str, Any] | None:
        if build is None:
            return await newest_build(api)
        if commit is not None:
            return await build_of_commit(api, build, commit, PATIENCE)
        return await find_build(api, build)

    found = asked(sign_in, ask)
    if found is None:
        what = "of that commit" if commit else "to watch"
        raise UsageError(f"There is no build {what}", resolution="`sealock builds start PROJECT` starts one.")
    return watch_build(sign_in, str(found["id"]), quiet=quiet, as_json=as_json)
